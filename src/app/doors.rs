//! The doors: how many connections are open, and whether they are to end.
//!
//! A server that stops goes on answering whoever comes, and says `Connection: close` with each
//! answer, so that nobody sends the next request on a connection that is about to end.

use std::any::Any;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, Service, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use tokio::sync::watch;
use tokio::time::timeout;

#[derive(Debug, Clone)]
pub struct Doors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The socket that listens, in another type's hand: only that one can shut it down.
    listener: TcpStream,
    is_closing: AtomicBool,
    connections: watch::Sender<usize>,
}

/// An open connection; it keeps this as long as it is open.
struct Connection(Doors);

impl Doors {
    /// # Errors
    /// If the process has no file to spare.
    pub fn new(listener: &TcpListener) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            listener: TcpStream::from(OwnedFd::from(listener.try_clone()?)),
            is_closing: AtomicBool::new(false),
            connections: watch::Sender::new(0),
        })))
    }

    /// For [`actix_web::HttpServer::on_connect`].
    pub fn opened(&self, _connection: &dyn Any, of_connection: &mut Extensions) {
        self.0.connections.send_modify(|it| *it += 1);
        of_connection.insert(Connection(self.clone()));
    }

    /// From now on each answer is the last one of its connection.
    pub fn close_after_answers(&self) {
        self.0.is_closing.store(true, Ordering::Release);
    }

    /// Nobody can connect any more. Who tries is refused at once, as if the process were gone, and
    /// can ask again; who is connected is served. The acceptor must rest, or it takes this for a
    /// fault.
    ///
    /// # Errors
    /// The system's.
    pub fn shut(&self) -> std::io::Result<()> {
        self.0.listener.shutdown(Shutdown::Both)
    }

    /// Waits until no connection is open; how many are left after `patience`.
    pub async fn empty(&self, patience: Duration) -> usize {
        let mut connections = self.0.connections.subscribe();
        let _ = timeout(patience, connections.wait_for(|it| *it == 0)).await;
        *self.0.connections.borrow()
    }

    /// Lets a request through and marks the answer if it is the last one of its connection. In the
    /// hand of one server thread, so that threads do not wait for each other to count.
    pub fn pass<S, B>(
        self: &Rc<Self>,
        request: ServiceRequest,
        service: &S,
    ) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let (doors, answering) = (Rc::clone(self), service.call(request));
        async move {
            let mut answer = answering.await?;
            if doors.0.is_closing.load(Ordering::Acquire) {
                answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(answer)
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.0.connections.send_modify(|it| *it -= 1);
    }
}
