//! A live stream read by hand: it can stop reading, and a thousand of them cost little.
//!
//! HTTP/1.0, because its responses have no other framing than the end of the connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{PATIENCE, TestApp};

/// One event as it came, its data unparsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    pub id: Option<String>,
    pub name: String,
    pub data: String,
}

impl Raw {
    /// The sequence in its id.
    pub fn seq(&self) -> Option<u64> {
        self.id.as_ref()?.rsplit_once('-')?.1.parse().ok()
    }
}

#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    unread: Vec<u8>,
    /// So much of it holds no end of a block.
    searched: usize,
    is_in_body: bool,
}

impl Line {
    /// Asks for a stream; nothing is read before [`Line::next`].
    ///
    /// # Panics
    /// If there is no connection.
    pub async fn open(app: &TestApp, path: &str, last_id: Option<&str>) -> Self {
        Self::open_at(&app.host_port(), &app.token, path, last_id).await
    }

    pub async fn open_at(host: &str, token: &str, path: &str, last_id: Option<&str>) -> Self {
        let address: SocketAddr = host.parse().expect("an address");
        let socket = TcpSocket::new_v4().expect("there are sockets left");
        // Small, so that who does not read is soon felt at the other end.
        socket.set_recv_buffer_size(16 * 1024).expect("a socket has a buffer");
        let mut stream = socket.connect(address).await.expect("the server accepts");
        let last = last_id.map_or_else(String::new, |it| format!("Last-Event-ID: {it}\r\n"));
        let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        Self { stream, unread: Vec::new(), searched: 0, is_in_body: false }
    }

    /// The next event; `None` when the stream has ended.
    ///
    /// # Panics
    /// If neither comes in time, or the response is no stream.
    pub async fn next(&mut self) -> Option<Raw> {
        loop {
            if let Some(block) = self.take_block() {
                if !self.is_in_body {
                    assert!(block.starts_with("HTTP/1.0 200"), "{block}");
                    self.is_in_body = true;
                } else if let Some(event) = parse(&block) {
                    return Some(event);
                }
                continue;
            }
            let read = self.stream.read_buf(&mut self.unread);
            let read = tokio::time::timeout(PATIENCE, read).await.expect("an event comes in time");
            if matches!(read, Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    fn take_block(&mut self) -> Option<String> {
        let end: &[u8] = if self.is_in_body { b"\n\n" } else { b"\r\n\r\n" };
        let from = self.searched.saturating_sub(end.len());
        let at = self.unread[from..].windows(end.len()).position(|it| it == end);
        self.searched = self.unread.len();
        let at = from + at?;
        let block = self.unread.drain(..at + end.len()).collect();
        self.searched = 0;
        Some(String::from_utf8(block).expect("streams are UTF-8"))
    }
}

fn parse(block: &str) -> Option<Raw> {
    let field = |name: &str| {
        let line = block.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    Some(Raw { id: field("id"), name: field("event")?, data: field("data")? })
}
