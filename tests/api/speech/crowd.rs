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

    // The best of a few: the machine may be busy with something else meanwhile.
    let (mut totals, mut boards, mut turns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let begun = Instant::now();
        let total = app.get_as_supervisor("/api/active-calls-json").await;
        totals.push(begun.elapsed());
        let calls = total.json()["active_calls"].as_object().unwrap().len();
        assert_eq!(calls, 10_000);

        let begun = Instant::now();
        let initial = app.board().await.until("initial").await;
        boards.push(begun.elapsed());
        assert_eq!(initial.data["calls"].as_array().unwrap().len(), 10_000);
    }
    let mut board = app.board().await;
    board.until("initial").await;
    for _ in 0..20 {
        let begun = Instant::now();
        app.say("+155500007", "It gets worse").await;
        turns.push(begun.elapsed());
    }

    // Bounds of an unoptimised build.
    for (what, took, most_ms) in
        [("total", totals, 5_000), ("board", boards, 5_000), ("turn", turns, 100)]
    {
        let best = took.iter().min().unwrap();
        assert!(*best < Duration::from_millis(most_ms), "{what}: {took:?}");
    }
    board.until_so("new_messages", |it| it["total_messages"] == 42).await;
}
