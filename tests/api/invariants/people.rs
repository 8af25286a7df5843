//! What only people may do, and when the assistant says nothing.

use std::time::Duration;

use serde_json::json;

use crate::fakes::chat::{Case, ChatFake};
use crate::harness::{TestApp, wait_until};
use crate::model::spawn_with_model;

#[tokio::test]
async fn urgency_only_rises_by_itself() {
    let app = TestApp::spawn().await;
    let urgency = async |said: &str| app.say("+15550100", said).await.urgency;
    assert_eq!(urgency("Hello, where is the office?").await, "normal");
    assert_eq!(urgency("The machine makes a strange noise").await, "urgent");
    assert_eq!(urgency("All is fine here").await, "urgent");
    assert_eq!(urgency("There is a fire").await, "critical");
    for harmless in ["It was a false alarm", "Everything is fine", "Thank you, goodbye"] {
        assert_eq!(urgency(harmless).await, "critical");
    }
    let call = app.say("+15550100", "I am still here").await;

    // A change down names its person, or is refused.
    let path = format!("/api/call/{}/urgency", call.call());
    assert_eq!(app.act(&path, &json!({ "urgency": "normal" })).await.status, 422);
    let mut stream = app.listen(call.conversation()).await;
    stream.until("initial").await;
    let down = json!({ "urgency": "normal", "admin_id": "kim" });
    assert_eq!(app.act(&path, &down).await.status, 204);

    let change = stream.until("call_updated").await.data;
    assert_eq!((&change["urgency"], &change["by"]), (&json!("NORMAL"), &json!("kim")));
    assert_eq!(urgency("Thank you, goodbye").await, "normal");
    assert_eq!(urgency("There is a fire again").await, "critical");
}

#[tokio::test]
async fn the_assistant_is_silent_while_a_person_holds_the_call() {
    let fake = ChatFake::start();
    let patient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000");
    let app = spawn_with_model(&fake, patient).await;
    let call = app.say("+15550100", "Where is the office?").await;
    let path = |action: &str| format!("/api/call/{}/{action}", call.call());
    let kim = json!({ "admin_id": "kim" });

    // The model thinks when the takeover comes: what it would have said is never heard.
    fake.script(Case::SlowGap(Duration::from_secs(2)));
    let asked = fake.requests().len();
    let (in_flight, ()) = tokio::join!(app.say("+15550100", "And the canteen?"), async {
        wait_until("the model thinks", async || fake.requests().len() > asked).await;
        assert_eq!(app.act(&path("takeover"), &kim).await.status, 204);
    });
    assert_eq!(in_flight.answered_by, "supervisor");

    // Danger, too, is the supervisor's now; the urgency rises all the same.
    let held = app.say("+15550100", "There is a fire").await;
    assert_eq!((held.answered_by.as_str(), held.urgency.as_str()), ("supervisor", "critical"));
    let words = json!({ "admin_id": "kim", "content": "This is Kim. Go out now." });
    assert_eq!(app.act(&path("message"), &words).await.status, 204);
    let heard = app.say("+15550100", "Who is there?").await;
    assert_eq!(heard.message, "This is Kim. Go out now.");

    let roles = async || -> Vec<String> {
        let messages = app.messages(call.conversation()).await;
        messages.into_iter().map(|it| it.0).collect()
    };
    let so_far = roles().await;
    assert_eq!(so_far.iter().filter(|it| *it == "assistant").count(), 1, "the first: {so_far:?}");
    assert_eq!(fake.requests().len(), asked + 1, "nobody asks the model meanwhile");

    // A restart does not make it talk; handing back does.
    let mut app = app;
    app.restart().await;
    let held = app.say("+15550100", "Hello?").await;
    assert_eq!(held.answered_by, "supervisor");
    assert_eq!(app.act(&path("handback"), &kim).await.status, 204);
    assert_eq!(app.say("+15550100", "Hello?").await.answered_by, "card");
}
