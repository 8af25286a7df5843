//! How a find looks, and which of them comes first.

use std::sync::Arc;

use aurora::domain::{Message, MessageId, Role, Timestamp};
use aurora::readers::archive::{Filters, Query, StatusFilter};

use crate::made_up::{Archive, BEGAN_MS};

fn said_once(text: &str, timestamp: Timestamp) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(1),
        role: Role::User,
        content: text.into(),
        timestamp,
        sources: "".into(),
        answered_by: None,
        card: None,
        by: None,
        remote_key: None,
    })
}

#[tokio::test]
async fn the_better_find_comes_first_and_among_equals_the_newer() {
    let mut archive = Archive::new(0);
    let mut said = Vec::new();
    for (minute, text) in [
        "the valve is hot",
        "gas at the gate",
        "the gate is open and somebody stands there and waits for the bus to the town",
        "valve and gas and gas again",
        "the gate",
        "the gate",
    ]
    .iter()
    .enumerate()
    {
        let mut call = archive.any_call();
        let at = Timestamp::from_millis(BEGAN_MS + minute as i64 * 60_000);
        call.deleted_at = None;
        call.messages = vec![said_once(text, at)];
        said.push(call.id);
        archive.import(vec![call]);
    }
    let any = Filters::new(StatusFilter::Any);

    let mut found = async |text| {
        let query = Query::parse(text).unwrap();
        let finds = archive.finds(&query, &any, 50, |_| {}).await;
        finds.iter().map(|it| said.iter().position(|id| *id == it.call_id)).collect::<Vec<_>>()
    };

    assert_eq!(found("gas").await, [Some(3), Some(1)]);
    assert_eq!(found("gate").await, [Some(5), Some(4), Some(1), Some(2)]);
    assert_eq!(found("gas OR valve").await[0], Some(3));
    assert_eq!(found("town OR gate").await[0], Some(2), "a rare word is worth more");
}

#[tokio::test]
async fn nothing_said_can_look_like_a_mark() {
    let mut archive = Archive::new(0);
    let mut call = archive.any_call();
    call.deleted_at = None;
    call.messages = vec![said_once(
        "a \u{1}false\u{2} mark, <b>gas</b> & [smoke] \u{1} in the hall",
        call.started_at,
    )];
    archive.import(vec![call]);
    let any = Filters::new(StatusFilter::Any);

    for (text, snippet) in [
        ("gas", "a  false  mark, <b>\u{1}gas\u{2}</b> & [smoke]   in the hall"),
        ("smo*", "a  false  mark, <b>gas</b> & [\u{1}smoke\u{2}]   in the hall"),
        ("false mark", "a  \u{1}false\u{2}  \u{1}mark\u{2}, <b>gas</b> & [smoke]   in the hall"),
    ] {
        let query = Query::parse(text).unwrap();
        let finds = archive.finds(&query, &any, 50, |_| {}).await;
        assert_eq!(finds.iter().map(|it| &*it.snippet).collect::<Vec<_>>(), [snippet]);
    }
}
