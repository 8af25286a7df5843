//! One HTTP/1.1 connection that is kept.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{LoadError, Options};

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: Option<String>,
}

impl Connection {
    pub async fn open(options: &Options) -> Result<Self, LoadError> {
        let url = &options.url;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(LoadError::Address)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let address = format!("{host}:{port}");
        let stream = TcpStream::connect(&address)
            .await
            .map_err(|source| LoadError::Connect { address: address.clone(), source })?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            // Its end shows at the next request.
            let _ = connection.await;
        });
        let token = options.token.as_ref().map(|it| format!("Bearer {it}"));
        Ok(Self { sender, host: address, token })
    }

    pub async fn post(&mut self, path: &str, json: Bytes) -> Result<Answer, LoadError> {
        let request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(json))
            .map_err(|err| LoadError::Answer(err.to_string()))?;
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }

    /// Opens a stream; its body goes on for ever.
    pub async fn stream(mut self, path: &str) -> Result<(Incoming, Self), LoadError> {
        let request = self
            .request("GET", path)
            .header(header::ACCEPT, "text/event-stream")
            .body(Full::default())
            .map_err(|err| LoadError::Answer(err.to_string()))?;
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let detail = "is the token right, and AURORA_MAX_STREAMS high enough?".to_owned();
            return Err(LoadError::Status { status, detail });
        }
        Ok((response.into_body(), self))
    }

    fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        let builder = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        match &self.token {
            Some(token) => builder.header(header::AUTHORIZATION, token),
            None => builder,
        }
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, LoadError> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
