//! Supervisors' requests, as parameters of a handler.
//!
//! The one idea: a handler that takes a [`Supervisor`], [`Asked`] or [`AskedIfAny`] is reached by
//! supervisors alone. It stands first, so that a stranger learns nothing of the rest, and nothing of
//! a stranger's body is read.

use std::future::{Ready, ready};

use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::Context;
use super::body;
use super::error::ApiError;
use crate::domain::Label;

/// Somebody who may look.
pub struct Supervisor(());

/// What a supervisor asks, as JSON.
pub struct Asked<T>(pub T);

/// The same; an empty body asks for nothing special.
pub struct AskedIfAny<T>(pub T);

impl FromRequest for Supervisor {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(let_in(request).map(Self))
    }
}

impl<T: DeserializeOwned> FromRequest for Asked<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        async move {
            let body = asked(&request, payload).await?;
            body::json(request.headers(), &body).map(Self)
        }
        .boxed_local()
    }
}

impl<T: DeserializeOwned + Default> FromRequest for AskedIfAny<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        async move {
            let body = asked(&request, payload).await?;
            if body.is_empty() {
                return Ok(Self(T::default()));
            }
            body::json(request.headers(), &body).map(Self)
        }
        .boxed_local()
    }
}

async fn asked(request: &HttpRequest, payload: dev::Payload) -> Result<Bytes, ApiError> {
    let_in(request)?;
    body::read(request.headers(), payload).await
}

fn let_in(request: &HttpRequest) -> Result<(), ApiError> {
    let context: Option<&Data<Context>> = request.app_data();
    context.ok_or(ApiError::NoToken)?.auth.supervisor(request)
}

/// Who acts, from `admin_id`: changes that a caller feels must name a person.
pub fn person(admin_id: Option<&str>) -> Result<Label, ApiError> {
    let name = admin_id.unwrap_or_default();
    Label::parse(name).map_err(|err| ApiError::Invalid(format!("`admin_id` {err}")))
}
