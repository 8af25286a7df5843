//! Clients of which each task takes one for as long as it asks: one slow answer holds up nobody
//! else's question.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::shared::{Shared, Trouble};
use crate::readers::firebase::client::{Client, WriteError};

/// Questions at a time.
const MAX_ASKING: usize = 8;

pub struct Clients {
    shared: Rc<Shared>,
    idle: RefCell<Vec<Client>>,
    permits: Semaphore,
}

/// A client that goes back when it is dropped.
pub struct Lent<'a> {
    clients: &'a Clients,
    client: Option<Client>,
    _permit: SemaphorePermit<'a>,
}

impl Clients {
    pub fn new(shared: Rc<Shared>, first: Client) -> Self {
        let (idle, permits) = (RefCell::new(vec![first]), Semaphore::new(MAX_ASKING));
        Self { shared, idle, permits }
    }

    /// One that nobody else uses; made if there is none.
    pub async fn take(&self) -> Result<Lent<'_>, Trouble> {
        let cant = |reason: String| Trouble::Request(WriteError::Misconfigured { reason });
        let permit = self.permits.acquire().await.map_err(|err| cant(err.to_string()))?;
        let idle = self.idle.borrow_mut().pop();
        let client = match idle {
            Some(client) => client,
            None => {
                let settings = self.shared.settings.client.clone();
                let made = Client::new(settings, self.shared.mirror.meter());
                made.map_err(|err| cant(err.to_string()))?
            }
        };
        Ok(Lent { clients: self, client: Some(client), _permit: permit })
    }
}

impl Deref for Lent<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("it goes back only when this is dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("it goes back only when this is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.clients.idle.borrow_mut().extend(self.client.take());
    }
}
