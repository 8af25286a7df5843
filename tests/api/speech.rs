//! The JSON API: its shapes, and everything that can be wrong with a request.

use crate::harness::TestApp;

#[tokio::test]
async fn a_caller_is_answered_and_everything_is_on_disk() {
    let app = TestApp::spawn().await;

    let reply = app.say("+15550100", "There is a fire in the warehouse").await;

    assert_eq!((reply.urgency.as_str(), reply.answered_by.as_str()), ("critical", "card"));
    assert!(reply.durable && reply.message.len() > 20);
    let total = app.total().await;
    assert_eq!(total["active_calls"][reply.call()]["urgency"], "CRITICAL");
}
