//! Very many callers at once.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::harness::TestApp;

#[tokio::test]
async fn ten_thousand_open_calls_do_not_slow_down_what_supervisors_see() {
    let app = TestApp::spawn().await;
    let app_ref = &app;
    stream::iter(0..10_000)
        .for_each_concurrent(200, async |n| {
            let reply = app_ref.say(&format!("+1555{n:05}"), "There is a fire").await;
            assert!(reply.durable);
        })
        .await;

    // An unoptimised build on a machine that tests share.
    let patience = Duration::from_secs(5);
    let begun = Instant::now();
    let total = app.total().await;
    assert!(begun.elapsed() < patience, "{:?}", begun.elapsed());
    assert_eq!(total["active_calls"].as_object().unwrap().len(), 10_000);

    let begun = Instant::now();
    let mut board = app.board().await;
    let initial = board.until("initial").await;
    assert!(begun.elapsed() < patience, "{:?}", begun.elapsed());
    assert_eq!(initial.data["calls"].as_array().unwrap().len(), 10_000);

    // And a turn takes no longer than with one call.
    let begun = Instant::now();
    for _ in 0..20 {
        app.say("+155500007", "It gets worse").await;
    }
    let each = begun.elapsed() / 20;
    assert!(each < Duration::from_millis(250), "{each:?}");
    board.until_so("new_messages", |it| it["total_messages"] == 42).await;
}
