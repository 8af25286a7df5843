//! The latest events as bytes, serialised once for all subscribers.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Topic;
use crate::domain::{ConversationId, Event, Seq};

const ENTRIES: usize = 8_192;
const BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Entry {
    /// As [`conversation_of`].
    pub conversation: Option<ConversationId>,
    /// `None`: nothing is sent for this record.
    pub frame: Option<Bytes>,
}

impl Entry {
    pub fn concerns(&self, topic: Topic) -> bool {
        match topic {
            Topic::Board => true,
            Topic::Conversation(id) => self.conversation == Some(id),
        }
    }
}

/// The conversation whose followers are told of it; alerts and runs go to the board alone.
pub fn conversation_of(event: &Event) -> Option<ConversationId> {
    match event {
        Event::AlertRaised(_) | Event::RunRecorded(_) => None,
        other => other.call_id().map(|id| id.conversation()),
    }
}

/// Entries of consecutive sequences, ending at the head.
#[derive(Debug)]
pub struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Sequence of the first entry; one more than the head while there is none.
    first: Seq,
}

impl Ring {
    pub fn new(head: Seq) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, first: head + 1 }
    }

    /// Last sequence that was taken in.
    pub fn head(&self) -> Seq {
        self.first + self.entries.len() as u64 - 1
    }

    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.frame.as_ref().map_or(0, Bytes::len);
        self.entries.push_back(entry);
        while self.entries.len() > ENTRIES || self.bytes > BYTES {
            let Some(gone) = self.entries.pop_front() else { break };
            self.bytes -= gone.frame.map_or(0, |it| it.len());
            self.first += 1;
        }
    }

    /// Lets go of those before `seq`; the head stays.
    pub fn forget_before(&mut self, seq: Seq) {
        while self.first < seq {
            let Some(gone) = self.entries.pop_front() else { break };
            self.bytes -= gone.frame.map_or(0, |it| it.len());
            self.first += 1;
        }
    }

    /// Nobody listens: only the place is kept.
    pub fn skip_to(&mut self, head: Seq) {
        *self = Self::new(head);
    }

    /// Entries from `from` on; `None` if they are no longer here.
    pub fn from(&self, from: Seq) -> Option<impl Iterator<Item = (Seq, &Entry)>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        Some((from..).zip(self.entries.iter().skip(skip)))
    }
}

/// Frames gathered for one write.
#[derive(Debug, Default)]
pub struct Gathered {
    first: Option<Bytes>,
    rest: BytesMut,
}

impl Gathered {
    pub fn push(&mut self, frame: &Bytes) {
        match &self.first {
            // The one frame of the usual case goes out as it is, shared and not copied.
            None => self.first = Some(frame.clone()),
            Some(first) => {
                if self.rest.is_empty() {
                    self.rest.extend_from_slice(first);
                }
                self.rest.extend_from_slice(frame);
            }
        }
    }

    pub fn len(&self) -> usize {
        if self.rest.is_empty() {
            self.first.as_ref().map_or(0, Bytes::len)
        } else {
            self.rest.len()
        }
    }

    pub fn into_bytes(self) -> Option<Bytes> {
        if self.rest.is_empty() { self.first } else { Some(self.rest.freeze()) }
    }
}
