//! The formats as they were first written: files that every later Aurora must read.

use std::fs;
use std::path::Path;

use aurora::domain::{
    CallStatus, EndReason, Event, Field, Position, Record, Role, Source, State, Urgency,
};
use aurora::journal::line::{read_header, read_record, write_header, write_record};

use crate::support::{call, files, folder, lines, open, records, say_words, segments, seqs};

/// A data folder with the files of that version.
fn golden(version: u32) -> tempfile::TempDir {
    let dir = folder();
    fs::create_dir(dir.path().join("journal")).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for file in fs::read_dir(from.join(format!("journal-v{version}"))).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join("journal").join(file.file_name())).unwrap();
    }
    dir
}

#[test]
fn a_journal_of_version_1_reads_to_the_state_that_it_told() {
    let dir = golden(1);
    let before = files(dir.path());

    let journal = open(dir.path());

    let position: Position = "k3f9x2pa-14".parse().unwrap();
    assert_eq!(journal.position(journal.head()), position);
    let state = journal.snapshot();
    let gas = state.open_by_sid("CA0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!(
        (gas.id, gas.urgency, gas.status),
        (call(1), Urgency::Critical, CallStatus::Takeover)
    );
    assert_eq!(gas.admin_id.as_ref().unwrap().as_str(), "kim");
    let said: Vec<_> = gas.messages.iter().map(|it| (it.role, it.content.as_ref())).collect();
    assert_eq!(
        said,
        [
            (Role::User, "I smell gas near valve 3 — \"há fumaça\" 🔥"),
            (Role::Assistant, "Leave the area now. Is anybody hurt?"),
            (Role::Admin, "Kim here.\tHelp is on the way \\o/"),
            (Role::System, "A supervisor is on the line."),
        ]
    );
    let card = gas.card().unwrap();
    assert_eq!((card.card.as_ref(), card.step), ("gas", 2));
    assert_eq!(gas.messages[1].sources.as_ref(), "Gas card");
    assert_eq!(gas.requests[0].0.as_str(), "req-1");
    assert_eq!(gas.unheard().count(), 0);
    assert_eq!((gas.last_seq, gas.last_message_at), (9, gas.messages[3].timestamp));
    let text = state.call(call(2)).unwrap();
    assert_eq!((text.end_reason, text.caller.as_str()), (Some(EndReason::Supervisor), "anonymous"));
    assert_eq!(text.ended_at.unwrap().to_string(), "2026-11-20T12:00:12.000Z");
    let alerts: Vec<_> = state.alerts().map(|it| it.detail.as_ref()).collect();
    assert_eq!(alerts, ["the disk took no writes for 3 s"]);
    assert_eq!((state.n_open(), state.calls().len()), (1, 2));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_journal_of_version_2_reads_to_the_state_that_it_told() {
    let dir = golden(2);
    let before = files(dir.path());

    let journal = open(dir.path());

    let state = journal.snapshot();
    assert_eq!((journal.head(), state.n_open(), state.calls().len()), (20, 0, 2));
    let remote = state.call("call_00000000000000000000000004".parse().unwrap()).unwrap();
    assert_eq!(remote.messages[0].remote_key.as_ref().unwrap().as_str(), "-OhqqeV-0123456789ab");
    assert_eq!(remote.messages[0].by.as_ref().unwrap().as_str(), "lee");
    assert_eq!(remote.admin_notes.as_ref().unwrap().as_str(), "Two people.\nHall 3.");
    let holder = remote.edits.last(Field::AdminId).unwrap();
    assert_eq!((holder.source, holder.seq), (Source::Firebase, 14));
    assert_eq!(holder.at.to_string(), "2026-11-21T08:59:58.120Z");
    assert_eq!(state.conflicts().count(), 0);
    let fire = state.ended_by_sid("CA0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!((fire.urgency, fire.legal_hold, fire.last_seq), (Urgency::Critical, false, 5));
    assert_eq!(fire.deleted_at.unwrap().to_string(), "2026-11-21T09:00:04.000Z");
    let said: Vec<_> = fire.messages.iter().map(|it| it.timestamp.to_string()).collect();
    assert_eq!(
        said,
        ["2026-11-20T12:00:04.310Z", "2026-11-20T12:00:04.310Z", "2026-11-21T08:59:04.310Z"]
    );
    assert_eq!((fire.turns, fire.unheard().count()), (1, 0));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn what_is_new_never_follows_what_is_old_in_one_file() {
    let dir = golden(1);

    say_words(&open(dir.path()), 0..1);

    let segments = segments(dir.path());
    let header = read_header(lines(&segments[2])[0].strip_suffix(b"\n").unwrap()).unwrap();
    assert_eq!((segments.len(), header.format, header.first_seq), (3, 2, 15));
    let journal = open(dir.path());
    assert_eq!(seqs(&records(&journal)), (1..=journal.head()).collect::<Vec<_>>());
}

#[test]
fn every_version_is_written_today_as_it_was_then() {
    let files = [1, 2].map(|version| (golden(version), version));
    for file in files.iter().flat_map(|it| segments(it.0.path())) {
        for (place, line) in lines(&file).into_iter().enumerate() {
            let text = line.strip_suffix(b"\n").unwrap();
            let mut again = Vec::new();
            if place == 0 {
                write_header(&read_header(text).unwrap(), &mut again);
            } else {
                write_record(&read_record(text).unwrap(), &mut again);
            }
            assert_eq!(String::from_utf8(again), String::from_utf8(line));
        }
    }
}

#[test]
fn the_golden_files_hold_every_type_of_record() {
    let types: [&[_]; 2] = [
        &[
            "call_started",
            "message_added",
            "call_updated",
            "words_heard",
            "call_ended",
            "alert_raised",
            "alert_acknowledged",
        ],
        &[
            "call_archived",
            "call_deleted",
            "call_restored",
            "call_erased",
            "call_imported",
            "conflict_found",
            "conflict_settled",
            "run_recorded",
            "record_lost",
        ],
    ];
    for (version, types) in (1..).zip(types) {
        let dir = golden(version);
        let text: String =
            segments(dir.path()).iter().map(|it| fs::read_to_string(it).unwrap()).collect();
        for it in types {
            assert!(text.contains(&format!("\"type\":\"{it}\"")), "{it}");
        }
        let all = records(&open(dir.path()));
        assert_eq!(seqs(&all), (1..=all.len() as u64).collect::<Vec<_>>());
        for record in &all {
            // A new type of event fails to compile here: give it a golden record, too.
            match record.event {
                Event::CallStarted(_)
                | Event::MessageAdded(_)
                | Event::CallUpdated(_)
                | Event::WordsHeard { .. }
                | Event::CallEnded(_)
                | Event::AlertRaised(_)
                | Event::AlertAcknowledged(_)
                | Event::CallArchived { .. }
                | Event::CallDeleted(_)
                | Event::CallRestored(_)
                | Event::CallErased(_)
                | Event::CallImported(_)
                | Event::ConflictFound(_)
                | Event::ConflictSettled(_)
                | Event::RunRecorded(_)
                | Event::RecordLost => {}
            }
        }
        let fold = |mut state: State, record: &std::sync::Arc<Record>| {
            state.apply(record);
            state
        };
        assert_eq!(all.iter().fold(State::default(), fold), open_state(dir.path()));
    }
}

fn open_state(dir: &Path) -> State {
    open(dir).snapshot()
}
