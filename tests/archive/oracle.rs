//! What the archive ought to answer: by a look at every call, one condition at a time.

use std::collections::BTreeSet;

use aurora::domain::{Call, CallId, CallStatus, Timestamp};
use aurora::readers::archive::{CallerFilter, Deleted, Filters, Query, StatusFilter};
use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::Connection;

use crate::made_up::WORDS;

pub type Says = Box<dyn Fn(&str) -> bool>;

/// A query, and what it means.
pub fn any_query(rng: &mut StdRng) -> (Query, Says) {
    let mut word = || WORDS[rng.random_range(0..WORDS.len())];
    let (a, b, c) = (word(), word(), word());
    let has = |text: &str, word: &str| text.split(' ').any(|it| it == word);
    let (text, says): (String, Says) = match rng.random_range(0..6) {
        0 => (a.to_owned(), Box::new(move |it| has(it, a))),
        1 => (format!("{a} {b}"), Box::new(move |it| has(it, a) && has(it, b))),
        2 => {
            (format!("{a} OR {b} {c}"), Box::new(move |it| has(it, a) || has(it, b) && has(it, c)))
        }
        3 => (
            format!("{a} NOT ({b} OR {c})"),
            Box::new(move |it| has(it, a) && !has(it, b) && !has(it, c)),
        ),
        4 => (
            format!("\"{a} {b}\""),
            Box::new(move |it| format!(" {it} ").contains(&format!(" {a} {b} "))),
        ),
        _ => (
            format!("{}*", &a[..3]),
            Box::new(move |it| it.split(' ').any(|it| it.starts_with(&a[..3]))),
        ),
    };
    (Query::parse(&text).unwrap(), says)
}

/// All words of all calls in an index of their own, to be asked one thing at a time.
pub struct Words(Connection);

impl Words {
    pub fn of(calls: &[Call]) -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE VIRTUAL TABLE words USING fts5(content, call UNINDEXED)").unwrap();
        let mut add = db.prepare("INSERT INTO words VALUES (?1, ?2)").unwrap();
        for call in calls {
            for message in &call.messages {
                add.execute([&*message.content, &call.id.to_string()]).unwrap();
            }
        }
        drop(add);
        Self(db)
    }

    /// Whether it is said in the call, for any call.
    pub fn calls_with(&self, query: Option<&Query>) -> impl Fn(&Call) -> bool + use<> {
        let found: Option<BTreeSet<String>> = query.map(|query| {
            let mut asked = self.0.prepare("SELECT call FROM words WHERE words MATCH ?1").unwrap();
            let found = asked.query_map([query.to_fts()], |row| row.get(0)).unwrap();
            found.collect::<Result<_, _>>().unwrap()
        });
        move |call| found.as_ref().is_none_or(|it| it.contains(&call.id.to_string()))
    }
}

pub fn fits(filters: &Filters, call: &Call) -> bool {
    let is_status = match filters.status {
        StatusFilter::Any => true,
        StatusFilter::Open => call.is_open(),
        StatusFilter::Only(status) => call.status == status,
    };
    let is_caller = filters.caller.as_ref().is_none_or(|it| match it {
        CallerFilter::Is(number) => call.caller == *number,
        CallerFilter::StartsWith(text) => call.caller.as_str().starts_with(text.as_str()),
    });
    let is_deleted = match filters.deleted {
        Deleted::With => true,
        Deleted::Without => call.deleted_at.is_none(),
        Deleted::Only => call.deleted_at.is_some(),
    };
    is_status
        && is_caller
        && is_deleted
        && (filters.urgencies.is_empty() || filters.urgencies.contains(&call.urgency))
        && filters.worker.as_ref().is_none_or(|it| **it == *call.worker_id)
        && filters.supervisor.as_ref().is_none_or(|it| call.admin_id.as_ref() == Some(it))
}

pub fn is_within(filters: &Filters, time: Timestamp) -> bool {
    filters.from.is_none_or(|it| time >= it) && filters.to.is_none_or(|it| time < it)
}

pub fn expected(calls: &[Call], words: &Words, filters: &Filters) -> Vec<CallId> {
    let says_text = words.calls_with(filters.text.as_ref());
    let names_zone = words.calls_with(filters.zone.as_ref());
    let by_end = filters.status == StatusFilter::Only(CallStatus::Ended);
    let key = |it: &Call| if by_end { it.ended_at } else { Some(it.started_at) };
    let mut found: Vec<_> = calls
        .iter()
        .filter(|it| fits(filters, it) && key(it).is_some_and(|it| is_within(filters, it)))
        .filter(|it| says_text(it) && names_zone(it))
        .map(|it| (key(it), it.id))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|it| it.1).collect()
}
