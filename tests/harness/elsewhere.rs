//! What somebody does in the Realtime Database, taken in without one: the very decision that the
//! mirror's download asks for, on the data folder of a server that does not run.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aurora::conversation::desk::{DeskError, take_in, take_in_words};
use aurora::domain::{
    Field, Label, Note, RemoteCall, RemoteClock, RemoteEdit, RemoteMessage, Seq, Timestamp,
    Utterance,
};
use aurora::journal::{Journal, Need, Settings};
use aurora::readers::snapshot;

use super::TestApp;

/// Somebody set a value of a call there.
#[derive(Debug, Clone)]
pub struct Elsewhere<'a> {
    pub call: &'a str,
    pub field: Field,
    /// Empty: nothing any more.
    pub value: &'a str,
    pub by: &'a str,
    /// How long before now, or after.
    pub before_ms: i64,
}

impl TestApp {
    /// Takes these edits in while the server is stopped; one that is over a change made here, is a
    /// conflict. Starts it again.
    ///
    /// # Panics
    /// If the folder's journal does not take them.
    pub async fn edited_elsewhere(&mut self, edits: &[Elsewhere<'_>]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let now_ms = i64::try_from(now.as_millis()).expect("it is before the year 292 million");
        let journal = self.journal_alone();
        for edit in edits {
            let remote = RemoteCall {
                call_id: edit.call.parse().expect("a call's id"),
                edits: vec![RemoteEdit {
                    field: edit.field,
                    value: Note::parse(edit.value).expect("a note").if_any(),
                    by: Label::parse(edit.by).ok(),
                    at: Timestamp::from_millis(now_ms - edit.before_ms),
                    written_seq: 0,
                }],
                ended: None,
            };
            // The database knows nothing of what was changed here.
            let clock = RemoteClock { acked_seq: Seq::default(), offset_ms: 0, puts_back: false };
            let taken = journal.submit(Need::Durable, move |state, draft| {
                take_in(state, draft, &remote, clock)?;
                Ok::<_, DeskError>(())
            });
            taken.await.expect("the journal takes it");
        }
        journal.close();
        drop(journal);
        self.restart().await;
    }

    /// As [`TestApp::edited_elsewhere`]: words to the caller of that call.
    ///
    /// # Panics
    /// If the folder's journal does not take them.
    pub async fn said_elsewhere(&mut self, call: &str, key: &str, words: &str) {
        let journal = self.journal_alone();
        let remote = RemoteMessage {
            call_id: call.parse().expect("a call's id"),
            key: Label::parse(key).expect("a key"),
            content: Utterance::parse(words).expect("words"),
            by: None,
        };
        let taken = journal.submit(Need::Durable, move |state, draft| {
            take_in_words(state, draft, remote)?;
            Ok::<_, DeskError>(())
        });
        taken.await.expect("the journal takes it");
        journal.close();
        drop(journal);
        self.restart().await;
    }

    /// The journal of the server, which is stopped for it.
    fn journal_alone(&mut self) -> Arc<Journal> {
        self.stop_gracefully();
        let stored = snapshot::load(self.data_dir()).expect("the checkpoint reads");
        let settings = Settings { data_dir: self.data_dir().to_owned(), ..Settings::default() };
        Journal::open(settings, stored).expect("the journal opens").0
    }
}
