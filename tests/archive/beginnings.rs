//! Beginnings of words: those of which more was said than can be asked for as it is find as much,
//! and those that stand for too many words are refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurora::domain::{Message, Urgency};
use aurora::readers::archive::{
    AskError, CallerFilter, Deleted, Filters, HistoryQuestion, Query, SearchQuestion, StatusFilter,
};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::made_up::{Archive, message};
use crate::oracle::{Says, fits};

#[tokio::test]
async fn beginnings_of_which_tens_of_thousands_were_said_find_them_all() {
    const MANY: [&str; 8] =
        ["gas", "gasket", "gasoline", "gâs", "leak", "leaking", "fire", "fireman"];
    let mut archive = Archive::new(60);
    let mut calls: Vec<_> = (0..25).map(|_| archive.any_call()).collect();
    for call in &mut calls {
        let began = call.started_at.as_millis();
        let long = |id, rng: &mut StdRng| {
            let words: Vec<_> = (0..300).map(|_| MANY[rng.random_range(0..8)]).collect();
            Arc::new(Message { content: words.join(" ").into(), ..message(id, began, rng) })
        };
        call.messages = (1..=10).map(|id| long(id, &mut archive.rng)).collect();
    }
    archive.import(calls);

    let of = |text: &str| text.replace('â', "a");
    let begins = move |text: &str, with: &str| of(text).split(' ').any(|it| it.starts_with(with));
    let follows = move |text: &str, what: &str| format!(" {}", of(text)).contains(what);
    let says: [(&str, Says); 5] = [
        ("gas*", Box::new(move |it| begins(it, "gas"))),
        ("GÁS*", Box::new(move |it| begins(it, "gas"))),
        ("lea* NOT \"fire gask\"*", {
            Box::new(move |it| begins(it, "lea") && !follows(it, " fire gask"))
        }),
        ("\"leaking fireman ga\"*", Box::new(move |it| follows(it, " leaking fireman ga"))),
        ("pump OR (fir* ga* hall)", {
            Box::new(move |it| {
                let has = |word| it.split(' ').any(|it| it == word);
                has("pump") || begins(it, "fir") && begins(it, "ga") && has("hall")
            })
        }),
    ];
    for (text, says) in says {
        let query = Query::parse(text).unwrap();
        for with_filters in [false, true] {
            let any = Filters { deleted: Deleted::With, ..Filters::new(StatusFilter::Any) };
            let filters = if with_filters {
                let caller = Some(CallerFilter::StartsWith("+15551".to_owned()));
                Filters { caller, urgencies: vec![Urgency::Normal, Urgency::Urgent], ..any }
            } else {
                any
            };
            let found = archive.finds(&query, &filters, 70, |_| {}).await;
            let once: BTreeSet<_> = found.iter().map(|it| (it.call_id, it.message_id)).collect();
            let fitting: Vec<_> = archive.calls.iter().filter(|it| fits(&filters, it)).collect();
            let expected: BTreeSet<_> = fitting
                .iter()
                .flat_map(|call| call.messages.iter().map(move |it| (call.id, it)))
                .filter(|it| says(&it.1.content))
                .map(|it| (it.0, Some(it.1.id)))
                .collect();
            assert_eq!((&once, once.len()), (&expected, found.len()), "{text} {filters:?}");
            assert!(found.iter().all(|it| it.snippet.contains('\u{1}')), "{text}");

            let filters = Filters { text: Some(query.clone()), ..filters };
            let listed = archive.pages(&filters, 20, |_| {}).await;
            let listed: BTreeSet<_> = listed.iter().map(|it| it.call.id).collect();
            let expected: BTreeSet<_> = expected.into_iter().map(|it| it.0).collect();
            assert_eq!(listed, expected, "{text} {filters:?}");
        }
    }
}

#[tokio::test]
async fn a_beginning_of_too_many_words_is_refused_and_longer_ones_are_not() {
    let mut archive = Archive::new(0);
    let mut call = archive.any_call();
    let words: Vec<_> = (0..1_600).map(|it| format!("word{it:04}")).collect();
    let content: Arc<str> = words.join(" ").into();
    let began = call.started_at.as_millis();
    call.messages = (1..=13)
        .map(|id| {
            let message = message(id, began, &mut archive.rng);
            Arc::new(Message { content: Arc::clone(&content), ..message })
        })
        .collect();
    archive.import(vec![call]);
    let filters = Filters { deleted: Deleted::With, ..Filters::new(StatusFilter::Any) };
    let ask = |text: &str| SearchQuestion {
        query: Query::parse(text).unwrap(),
        filters: filters.clone(),
        limit: 50,
        cursor: None,
    };

    let refused = archive.reads.search(ask("word1000 NOT wo*")).await;
    let listed = Filters { text: Some(ask("w*").query), ..filters.clone() };
    let listed = HistoryQuestion { filters: listed, limit: 50, cursor: None };
    let listed = archive.reads.history(listed).await;

    assert!(matches!(&refused, Err(AskError::TooManyWords { beginning }) if beginning == "wo"));
    assert!(matches!(&listed, Err(AskError::TooManyWords { beginning }) if beginning == "w"));
    assert_eq!(archive.reads.search(ask("word10*")).await.unwrap().items.len(), 13);
}
