//! `aurora erase`: asks the server that has the data folder, or does the work itself.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::config::Config;
use crate::conversation::keeping::Keeping;
use crate::domain::{Label, PhoneNumber};
use crate::erasure::{Eraser, Receipt};
use crate::journal::{self, DataLock, Holder, HolderState, Journal};
use crate::readers::archive;
use crate::readers::firebase::MirrorLink;
use crate::readers::snapshot::{self, Checkpoint};

/// Between two questions whether the server is done, and for one of them.
const ASK_EVERY: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(60);

/// Erases all calls of a number; the receipt. Asks on the terminal before, unless `is_sure`.
///
/// # Errors
/// Why it is not done; what was begun is finished by the next server.
pub async fn erase(
    config: &Config,
    caller: &str,
    by: &str,
    is_sure: bool,
) -> anyhow::Result<Receipt> {
    let caller = PhoneNumber::parse(caller).context("--caller")?;
    let by = Label::parse(by).context("--by")?;
    let dir = &config.data_dir;
    ensure!(dir.is_dir(), "there is no data folder {}: set AURORA_DATA_DIR", dir.display());
    if !is_sure {
        ask()?;
    }
    let receipt = match journal::holder(dir)? {
        None => alone(config, caller, by).await?,
        Some(holder) if holder.state == HolderState::Serving => {
            by_server(config, &holder, &caller, &by).await?
        }
        Some(holder) => bail!("{} is in use by {holder}: try again in a moment", dir.display()),
    };
    Ok(receipt)
}

fn ask() -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    ensure!(stdin.is_terminal(), "nobody can be asked here: say --yes to erase without a question");
    let mut err = std::io::stderr().lock();
    write!(err, "Erase every call of this number for good? This cannot be undone. [yes/no] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    ensure!(answer.trim() == "yes", "nothing was erased");
    Ok(())
}

/// No server runs: the journal, the archive that follows it, and nothing that listens.
async fn alone(config: &Config, caller: PhoneNumber, by: Label) -> anyhow::Result<Receipt> {
    let lock = Arc::new(DataLock::take(&config.data_dir)?);
    let stored = snapshot::load(&config.data_dir)?;
    let saved_seq = stored.as_ref().map_or(0, |it| it.1.seq);
    let settings = super::folder::journal_settings(config);
    let (journal, _) = Journal::open_locked(lock, settings, stored)?;
    let (archive, following) = archive::start(&journal, &config.data_dir, config.archive_after)?;
    let eraser = Arc::new(Eraser {
        data_dir: config.data_dir.clone(),
        archive,
        mirror: Arc::new(MirrorLink::default()),
        live: None,
        checkpoint: Arc::new(Checkpoint::new(config.data_dir.clone(), saved_seq)),
        keeping: Arc::new(Keeping::new(Arc::clone(&journal))),
        busy: Arc::default(),
        journal: Arc::clone(&journal),
    });
    let erased = erase_alone(&eraser, caller, by).await;
    journal.close();
    let ended = tokio::task::spawn_blocking(move || following.join()).await?;
    ensure!(ended.is_ok(), "the archive's thread ended by a defect");
    erased
}

async fn erase_alone(
    eraser: &Arc<Eraser>,
    caller: PhoneNumber,
    by: Label,
) -> anyhow::Result<Receipt> {
    if let Some(earlier) = eraser.resume().await? {
        earlier.done.await.context("an earlier erasure could not be finished")?;
    }
    let job = eraser.erase_caller(caller, by).await?;
    job.done.await.context("the erasure was broken off; the next start finishes it")
}

async fn by_server(
    config: &Config,
    holder: &Holder,
    caller: &PhoneNumber,
    by: &Label,
) -> anyhow::Result<Receipt> {
    let address = holder.reachable_at().context("the server does not say where it is")?;
    let token = match &config.admin_token {
        Some(token) => token.expose().to_owned(),
        None => {
            let path = config.data_dir.join("admin.token");
            let text = std::fs::read_to_string(&path).with_context(|| {
                format!("cannot read {}: set AURORA_ADMIN_TOKEN", path.display())
            })?;
            text.trim().to_owned()
        }
    };
    // Fails if a provider is there already, which is all that is needed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
    let base = format!("http://{address}/api");
    let wish = json!({ "caller": caller, "admin_id": by });
    let asked = client.post(format!("{base}/erase")).bearer_auth(&token).json(&wish);
    let (status, answer) = answer_of(asked).await?;
    if status == 200 {
        return Ok(serde_json::from_value(answer)?);
    }
    let id = answer["receipt_id"].as_str().context("the server gave no receipt")?.to_owned();
    loop {
        let asked = client.get(format!("{base}/erasures?limit=200")).bearer_auth(&token);
        let (_, answer) = answer_of(asked).await?;
        let found = answer["erasures"].as_array().into_iter().flatten();
        if let Some(receipt) = found.into_iter().find(|it| it["receipt_id"] == *id) {
            return Ok(serde_json::from_value(receipt.clone())?);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn answer_of(asked: reqwest::RequestBuilder) -> anyhow::Result<(u16, Value)> {
    let answer = asked.send().await.context("the server does not answer")?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.context("the server's answer cannot be read")?;
    let detail = body["detail"].as_str().unwrap_or("it does not say why");
    ensure!((200..300).contains(&status), "the server refuses ({status}): {detail}");
    Ok((status, body))
}
