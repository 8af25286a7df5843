//! With a model: what it is asked, and what callers hear when it is slow, wrong or gone.

use crate::fakes::chat::{ChatFake, MODEL};
use crate::harness::{Builder, TestApp, wait_until};

/// A server that asks this model, once it has asked it to warm up: what is scripted from now on
/// meets callers.
pub async fn spawn_with_model(fake: &ChatFake, builder: Builder) -> TestApp {
    let builder = builder.env("AURORA_LLM_URL", fake.url()).env("AURORA_LLM_MODEL", MODEL);
    let app = builder.spawn().await;
    wait_until("the model is asked to warm up", async || !fake.requests().is_empty()).await;
    app
}
