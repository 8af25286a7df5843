//! The fake's network face: accepts, refuses and cuts connections, and passes bytes on.
//!
//! It stands between the client and the web server, because a web server can't refuse a connection
//! or cut one after doing what was asked.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, rt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::shared::Shared;
use super::{http, oauth};

/// Largest request body: the real limit of a REST write is 256 MB.
const MAX_BODY: usize = 256 * 1024 * 1024;

pub enum Command {
    GoDown(mpsc::Sender<()>),
    ComeBack(mpsc::Sender<()>),
    CutAll(mpsc::Sender<()>),
    Stop,
}

/// Serves until [`Command::Stop`]. Sends its address once it listens.
pub fn run(
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    ready: &mpsc::Sender<SocketAddr>,
) {
    rt::System::new().block_on(async move {
        let for_app = Data::from(Arc::clone(&shared));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(for_app.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY))
                .route("/token", web::post().to(oauth::token))
                .default_service(web::to(http::handle))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a test machine has a free port");
        let behind = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        rt::spawn(server);

        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a test machine has a free port");
        let address = listener.local_addr().expect("a bound listener");
        ready.send(address).expect("the handle waits for this");
        accept_all(listener, address, behind, shared, commands).await;
        handle.stop(false).await;
    });
}

async fn accept_all(
    listener: TcpListener,
    address: SocketAddr,
    behind: SocketAddr,
    shared: Arc<Shared>,
    mut commands: UnboundedReceiver<Command>,
) {
    let mut listener = Some(listener);
    let (cut, _) = watch::channel(());
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::GoDown(done)) => {
                    listener = None;
                    cut_all(&cut).await;
                    let _ = done.send(());
                }
                Some(Command::ComeBack(done)) => {
                    if listener.is_none() {
                        listener = Some(listen(address).await.expect("our port is still free"));
                    }
                    let _ = done.send(());
                }
                Some(Command::CutAll(done)) => {
                    cut_all(&cut).await;
                    let _ = done.send(());
                }
                Some(Command::Stop) | None => return,
            },
            client = accept(listener.as_ref()) => {
                shared.connection_accepted();
                if !shared.faults().accept_and_close() {
                    rt::spawn(pass_on(client, behind, Arc::clone(&shared), cut.subscribe()));
                }
            }
        }
    }
}

/// Each open connection holds a receiver until it is closed.
async fn cut_all(cut: &watch::Sender<()>) {
    cut.send_replace(());
    cut.closed().await;
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return pending().await;
    };
    loop {
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(64)) {
            Ok(listener) => return Ok(listener),
            Err(err) if tries >= 50 => return Err(err),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        tries += 1;
    }
}

async fn pass_on(
    client: TcpStream,
    behind: SocketAddr,
    shared: Arc<Shared>,
    mut cut: watch::Receiver<()>,
) {
    let Ok(server) = TcpStream::connect(behind).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            if shared.take_cut() || to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = answers => {}
        _ = cut.changed() => {}
    }
}
