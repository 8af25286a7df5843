//! Single requests: reading, writing on a condition, redirects, bounds, and what they come to.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use aurora::readers::firebase::{
    Client, ClientSettings, Credentials, Etag, MAX_BODY_BYTES, Meter, Put, Target, WriteError,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::fakes::rtdb::{Fault, Rtdb};

fn client(rtdb: &Rtdb) -> (Client, Arc<Meter>) {
    let url = rtdb.url().parse().unwrap();
    let target = Target::database(&url).unwrap();
    let key = Credentials::KeyJson(rtdb.service_account_json());
    let mut settings = ClientSettings::new(target, key);
    settings.total_timeout = Duration::from_secs(2);
    let meter = Arc::<Meter>::default();
    (Client::new(settings, Arc::clone(&meter)).unwrap(), meter)
}

fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

#[tokio::test]
async fn a_value_is_written_only_in_place_of_the_one_that_was_read() {
    let rtdb = Rtdb::start();
    let (mut client, _) = client(&rtdb);
    rtdb.put("calls/a%2Fb", json!({"urgency": "NORMAL"}));

    let found = client.get("calls/a%2Fb", &[]).await.unwrap();
    let etag = found.etag.clone().unwrap();
    let first = client.put_if("calls/a%2Fb", &etag, body(&json!({"n": 1}))).await.unwrap();
    let second = client.put_if("calls/a%2Fb", &etag, body(&json!({"n": 2}))).await.unwrap();
    let absent = client.get("calls/none", &[]).await.unwrap();
    let fresh = client.put_if("calls/new", &Etag::of_nothing(), body(&json!(3))).await.unwrap();

    assert_eq!(found.value, json!({"urgency": "NORMAL"}));
    assert!(found.server_time.is_some(), "the fake says its date");
    assert!(matches!(first, Put::Done(_)));
    let Put::Changed(present) = second else { panic!("it was changed meanwhile") };
    assert_eq!(present.value, json!({"n": 1}));
    let again = client.put_if("calls/a%2Fb", &present.etag.unwrap(), body(&json!({"n": 4}))).await;
    assert!(matches!(again, Ok(Put::Done(_))));
    assert_eq!((absent.value, absent.etag), (Value::Null, Some(Etag::of_nothing())));
    assert!(matches!(fresh, Put::Done(_)));
    assert_eq!(rtdb.value("calls"), json!({"a%2Fb": {"n": 4}, "new": 3}));
}

#[tokio::test]
async fn a_read_renews_its_token_and_follows_the_service_with_it() {
    let (rtdb, elsewhere) = (Rtdb::start(), Rtdb::start());
    let (mut client, _) = client(&rtdb);
    rtdb.put("a", json!(1));
    elsewhere.put("a", json!(2));
    client.get("a", &[]).await.unwrap();

    rtdb.set_fault(Fault::ExpiredCredentials);
    let renewed = client.get("a", &[]).await.unwrap();
    elsewhere.accept_token("ya29.test-token-2");
    rtdb.set_fault(Fault::Redirect(elsewhere.url()));
    let redirected = client.get("a", &[("shallow", "true")]).await.unwrap();

    assert_eq!((renewed.value, redirected.value), (json!(1), json!(2)));
    assert_eq!(rtdb.token_requests(), 2);
}

#[test]
fn all_clients_share_one_token_and_one_renewal() {
    let rtdb = Rtdb::start();
    let target = Target::database(&rtdb.url().parse().unwrap()).unwrap();
    let key = Credentials::KeyJson(rtdb.service_account_json());
    let settings = ClientSettings::new(target, key);
    let together = Barrier::new(9);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // As in the server: each on a thread that rests between its requests.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let (runtime, meter) = (runtime.unwrap(), Arc::default());
                let mut client = Client::new(settings.clone(), meter).unwrap();
                for _ in 0..3 {
                    together.wait();
                    let found = runtime.block_on(client.get("a", &[]));
                    together.wait();
                    found.unwrap();
                }
            });
        }
        for n_tokens in 1..=3 {
            together.wait();
            together.wait();
            assert_eq!(rtdb.token_requests(), n_tokens);
            rtdb.set_fault(Fault::ExpiredCredentials);
        }
    });
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let rtdb = Rtdb::start();
    let (mut client, meter) = client(&rtdb);
    let text = "x".repeat(MAX_BODY_BYTES / 2);
    rtdb.put("large", json!({"a": text, "b": text, "c": text}));

    let err = client.get("large", &[]).await.unwrap_err();
    let within = client.get("large/a", &[]).await.unwrap();

    assert!(matches!(err, WriteError::Unreadable { .. }), "{err}");
    assert_eq!(within.value.as_str().map(str::len), Some(text.len()));
    assert!(meter.since_start().bytes_down < 3 * MAX_BODY_BYTES as u64);
}

#[tokio::test]
async fn every_request_is_counted_also_one_that_failed() {
    let rtdb = Rtdb::start();
    let (mut client, meter) = client(&rtdb);
    rtdb.put("a", json!("0123456789"));

    client.patch(body(&json!({"b": "0123456789"}))).await.unwrap();
    let after_write = meter.since_start();
    client.get("a", &[]).await.unwrap();
    let after_read = meter.since_start();
    rtdb.set_fault(Fault::Status { status: 500, times: 1 });
    client.get("a", &[]).await.unwrap_err();
    let after_failure = meter.since_start();

    let of = |it: aurora::readers::firebase::Tally| (it.requests, it.bytes_up, it.bytes_down);
    assert_eq!(after_write.requests, 1);
    assert!((150..600).contains(&after_write.bytes_up), "{:?}", of(after_write));
    assert!((20..300).contains(&after_write.bytes_down), "{:?}", of(after_write));
    assert!(after_read.bytes_down >= after_write.bytes_down + 12, "{:?}", of(after_read));
    assert_eq!(after_failure.requests, 3);
    let days = meter.days();
    assert_eq!(days.iter().map(|it| it.tally.requests).sum::<u64>(), 3);
}
