//! Calls of which nothing is heard any more. The server's smallest limit is a minute, so the desk is
//! asked here directly, with a real journal.

use std::sync::Arc;
use std::time::Duration;

use aurora::conversation::cards::Cards;
use aurora::conversation::desk::{Caller, Desk, Limits, Request, Turn};
use aurora::domain::{
    AlertKind, Call, CallId, CallStatus, EndReason, Label, Medium, Note, PhoneNumber, Utterance,
};
use aurora::journal::{Journal, Settings};
use rustc_hash::FxHashSet;

struct Line {
    journal: Arc<Journal>,
    desk: Arc<Desk>,
    _dir: tempfile::TempDir,
}

impl Line {
    fn open() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
        let journal = Journal::open(settings, None).expect("a journal").0;
        let limits = Limits { open_calls: 100, turns: 100 };
        let user = Note::parse("server").expect("a name");
        let desk = Desk::new(Arc::clone(&journal), Arc::new(Cards::builtin()), None, limits, user);
        Self { journal, desk, _dir: dir }
    }

    async fn say(&self, sid: &str, words: &str) -> CallId {
        let caller = Caller {
            number: PhoneNumber::parse("+15550100").expect("a number"),
            call_sid: Some(Label::parse(sid).expect("a name")),
            medium: Medium::Voice,
            language: None,
        };
        let turn = Turn {
            caller,
            utterance: Utterance::parse(words).expect("words"),
            confidence: None,
            is_keypad: false,
            request: Request::Words,
        };
        let answer = self.desk.answer(turn).await.expect("an answer");
        assert!(answer.durable);
        answer.call_id.expect("a call")
    }

    fn call(&self, id: CallId) -> Arc<Call> {
        self.journal.view(|state| Arc::clone(state.call(id).expect("it stays")))
    }

    fn alerts(&self, kind: AlertKind) -> usize {
        self.journal.view(|state| state.alerts().filter(|it| it.kind == kind).count())
    }
}

#[tokio::test]
async fn a_call_of_which_nothing_is_heard_ends() {
    let line = Line::open();
    let quiet = line.say("CA1", "Where is the office?").await;
    let mut alerted = FxHashSet::default();

    line.desk.end_inactive(Duration::from_secs(60), &mut alerted).await.unwrap();
    assert_eq!(line.call(quiet).status, CallStatus::Active, "its time has not come");
    line.desk.end_inactive(Duration::ZERO, &mut alerted).await.unwrap();
    line.desk.end_inactive(Duration::ZERO, &mut alerted).await.unwrap();

    let call = line.call(quiet);
    assert_eq!((call.status, call.end_reason), (CallStatus::Ended, Some(EndReason::Inactivity)));
}

#[tokio::test]
async fn a_critical_call_stays_open_and_raises_one_alert() {
    let line = Line::open();
    let fire = line.say("CA1", "There is a fire in the warehouse").await;
    let mut alerted = FxHashSet::default();

    for _ in 0..3 {
        line.desk.end_inactive(Duration::ZERO, &mut alerted).await.unwrap();
    }

    assert_eq!(line.call(fire).status, CallStatus::Active);
    assert_eq!(line.alerts(AlertKind::CriticalSilence), 1);
}

#[tokio::test]
async fn a_call_that_a_supervisor_holds_is_the_supervisors() {
    let line = Line::open();
    let held = line.say("CA1", "Where is the office?").await;
    line.desk.take_over(held, Label::parse("Kim").unwrap()).await.unwrap();

    line.desk.end_inactive(Duration::ZERO, &mut FxHashSet::default()).await.unwrap();

    assert_eq!(line.call(held).status, CallStatus::Takeover);
}
