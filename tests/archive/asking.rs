//! What the archive answers is what a look at every call would: each filter, any page, whatever
//! comes in meanwhile.

use std::collections::BTreeSet;

use aurora::domain::{Call, CallStatus, Urgency};
use aurora::readers::archive::{
    AskError, Filters, HistoryQuestion, Query, Reads, SearchQuestion, StatusFilter, Store,
};
use rand::RngExt;

use crate::made_up::Archive;
use crate::oracle::{Words, any_query, expected, fits, is_within};

#[tokio::test]
async fn every_mix_of_filters_finds_what_a_look_at_every_call_finds() {
    let mut archive = Archive::new(400);
    let words = Words::of(&archive.calls);
    let mut n_found = 0;

    for _ in 0..120 {
        let filters = archive.any_filters();
        let limit = archive.rng.random_range(1..60);
        let found = archive.pages(&filters, limit, |_| {}).await;

        let ids: Vec<_> = found.iter().map(|it| it.call.id).collect();
        assert_eq!(ids, expected(&archive.calls, &words, &filters), "{filters:?}");
        for past in &found {
            let call = archive.calls.iter().find(|it| it.id == past.call.id).unwrap();
            assert_eq!(past.total_messages, call.messages.len() as u64);
            let known = Call { messages: vec![], last_seq: past.call.last_seq, ..call.clone() };
            assert_eq!(past.call, known);
        }
        n_found += found.len();
    }

    assert!(n_found > 2_000, "the filters found {n_found} calls: they prove nothing");
}

#[tokio::test]
async fn every_search_finds_what_a_look_at_every_message_finds() {
    let mut archive = Archive::new(400);
    let words = Words::of(&archive.calls);
    let mut n_found = 0;

    for _ in 0..60 {
        let filters = Filters { text: None, ..archive.any_filters() };
        let (query, says) = any_query(&mut archive.rng);
        let names_zone = words.calls_with(filters.zone.as_ref());
        let limit = archive.rng.random_range(1..60);
        let found = archive.finds(&query, &filters, limit, |_| {}).await;

        let ids: Vec<_> = found.iter().map(|it| (it.call_id, it.message_id)).collect();
        let once: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(once.len(), ids.len(), "a find came twice: {query:?} {filters:?}");
        let expected: BTreeSet<_> = archive
            .calls
            .iter()
            .filter(|it| fits(&filters, it) && names_zone(it))
            .flat_map(|call| call.messages.iter().map(move |it| (call.id, it)))
            .filter(|it| says(&it.1.content) && is_within(&filters, it.1.timestamp))
            .map(|it| (it.0, Some(it.1.id)))
            .collect();
        assert_eq!(once, expected, "{query:?} {filters:?}");
        n_found += found.len();
    }

    assert!(n_found > 1_000, "the searches found {n_found} messages: they prove nothing");
}

#[tokio::test]
async fn thousands_are_paged_without_loss_or_repetition_while_calls_come_in() {
    let mut archive = Archive::new(4_000);
    let filters = Filters::new(StatusFilter::Only(CallStatus::Ended));
    let before = expected(&archive.calls, &Words::of(&[]), &filters);
    assert!(before.len() > 3_000);

    let listed = archive
        .pages(&filters, 37, |it| {
            it.call_comes_in();
        })
        .await;

    let listed: Vec<_> = listed.into_iter().map(|it| it.call.id).collect();
    assert_eq!(listed, before, "what came in later is newer than all that was shown");

    let any = Filters::new(StatusFilter::Any);
    let query = Query::parse("gas OR (leak NOT fire) OR pum*").unwrap();
    let said: Vec<_> = archive
        .finds(&query, &any, 200, |_| {})
        .await
        .into_iter()
        .map(|it| (it.call_id, it.message_id))
        .collect();
    assert!(said.len() > 4_000, "several windows: {}", said.len());
    let again = archive
        .finds(&query, &any, 97, |it| {
            it.call_comes_in();
        })
        .await;

    let again: Vec<_> = again.into_iter().map(|it| (it.call_id, it.message_id)).collect();
    let once: BTreeSet<_> = again.iter().copied().collect();
    assert_eq!(once.len(), again.len(), "nothing comes twice");
    assert!(said.iter().all(|it| once.contains(it)), "nothing is lost");
}

#[tokio::test]
async fn a_cursor_serves_the_question_that_it_came_from_and_no_other() {
    let mut archive = Archive::new(300);
    let any = Filters::new(StatusFilter::Any);
    let ask =
        |filters: &Filters, cursor| HistoryQuestion { filters: filters.clone(), limit: 5, cursor };
    let seek = |text, cursor| {
        let query = Query::parse(text).unwrap();
        SearchQuestion { query, filters: Filters::new(StatusFilter::Any), limit: 5, cursor }
    };
    let listed = archive.reads.history(ask(&any, None)).await.unwrap().next_cursor;
    let found = archive.reads.search(seek("gas OR leak", None)).await.unwrap().next_cursor;
    assert!(listed.is_some() && found.is_some());

    let other = Filters { urgencies: vec![Urgency::Normal], ..any.clone() };
    for (filters, cursor) in [(&other, &listed), (&any, &found)] {
        let refused = archive.reads.history(ask(filters, cursor.clone())).await;
        assert!(matches!(refused, Err(AskError::Cursor(_))), "{refused:?}");
    }
    for (text, cursor) in [("gas", &found), ("gas OR pump", &found), ("gas OR leak", &listed)] {
        let refused = archive.reads.search(seek(text, cursor.clone())).await;
        assert!(matches!(refused, Err(AskError::Cursor(_))), "{refused:?}");
    }

    // With other calls in it, the same question goes on where it was.
    archive.call_comes_in();
    assert!(archive.reads.history(ask(&any, listed)).await.is_ok());
    assert!(archive.reads.search(seek("gas OR leak", found)).await.is_ok());
}

#[tokio::test]
async fn an_archive_that_is_not_there_yet_is_an_error_and_then_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let reads = Reads::new(path.clone());
    let filters = Filters::new(StatusFilter::Any);
    let ask = || HistoryQuestion { filters: filters.clone(), limit: 5, cursor: None };

    assert!(matches!(reads.history(ask()).await, Err(AskError::Archive(_))));
    assert!(!path.exists(), "reading makes no file");
    let _store = Store::open(&path).unwrap();
    assert_eq!(reads.history(ask()).await.unwrap().items, []);
}
