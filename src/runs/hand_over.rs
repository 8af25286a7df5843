//! Talks to the server that has the data folder: one request, one connection, one deadline.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::journal::{self, HolderState};

/// More than any answer of ours.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A server that takes requests.
#[derive(Debug, Clone)]
pub struct Server {
    address: SocketAddr,
    token: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the server does not answer within {0:?}")]
    Late(Duration),
    #[error("the server cannot be reached")]
    Unreachable(#[source] std::io::Error),
    #[error("the server's answer cannot be read: {0}")]
    Answer(String),
    #[error("the server refuses ({status}): {detail}")]
    Refused { status: u16, detail: String },
}

/// Who has the data folder.
#[derive(Debug)]
pub enum Found {
    Server(Server),
    /// It has the folder, and takes no requests: it starts or stops, or is a command.
    Busy(String),
    Nobody,
}

/// Looks who has the folder. `token`: the supervisors' if it is set; else it is in the folder.
pub fn look(data_dir: &Path, token: Option<&str>) -> Found {
    let holder = match journal::holder(data_dir) {
        Ok(None) => return Found::Nobody,
        Ok(Some(holder)) => holder,
        Err(err) => return Found::Busy(err.to_string()),
    };
    let Some(address) = holder.reachable_at().filter(|_| holder.state == HolderState::Serving)
    else {
        return Found::Busy(format!("{} is in use by {holder}", data_dir.display()));
    };
    let kept = || std::fs::read_to_string(data_dir.join("admin.token")).ok();
    match token.map(str::to_owned).or_else(kept) {
        Some(token) => Found::Server(Server { address, token: token.trim().to_owned() }),
        None => Found::Busy(format!(
            "the token of {holder} is not known: set AURORA_ADMIN_TOKEN, or make {} readable",
            data_dir.join("admin.token").display()
        )),
    }
}

impl Server {
    /// # Errors
    /// [`ServerError`]
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Value, ServerError> {
        self.ask("GET", path, Bytes::new(), patience).await
    }

    /// # Errors
    /// [`ServerError`]
    pub async fn post(
        &self,
        path: &str,
        json: Bytes,
        patience: Duration,
    ) -> Result<Value, ServerError> {
        self.ask("POST", path, json, patience).await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        json: Bytes,
        patience: Duration,
    ) -> Result<Value, ServerError> {
        let asked = timeout(patience, self.answer(method, path, json)).await;
        let (status, body) = asked.map_err(|_| ServerError::Late(patience))??;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("it does not say why").to_owned();
        Err(ServerError::Refused { status, detail })
    }

    async fn answer(
        &self,
        method: &str,
        path: &str,
        json: Bytes,
    ) -> Result<(u16, Bytes), ServerError> {
        let unread = |err: &dyn std::fmt::Display| ServerError::Answer(err.to_string());
        let stream = TcpStream::connect(self.address).await.map_err(ServerError::Unreachable)?;
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|err| unread(&err))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(json))
            .map_err(|err| unread(&err))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|err| unread(&err))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|err| unread(&err))?.to_bytes()))
        };
        let driven = async {
            // Its end shows in the exchange.
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = driven => never,
        }
    }
}
