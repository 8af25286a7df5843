//! The JSON API: its shapes, and everything that can be wrong with a request.

mod bad_input;
mod crowd;

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_caller_is_answered_and_everything_is_in_the_published_shape() {
    let app = TestApp::spawn().await;
    let ask = json!({
        "speech": "There is a fire in the warehouse", "ph_no": "+15550100", "call_sid": "CA1",
        "confidence": 0.93, "language": "en-US", "medium": "Text",
    });

    let got = app.post_json("/api/process-speech", &ask).await;

    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    let reply = got.json();
    let id = reply["call_id"].as_str().unwrap().strip_prefix("call_").unwrap().to_owned();
    assert_eq!(reply["conversation_id"], format!("conv_{id}"));
    assert_eq!((&reply["ph_no"], &reply["urgency"]), (&json!("+15550100"), &json!("critical")));
    assert_eq!(reply["sources"], json!(["Fire card"]));
    assert_eq!((&reply["answered_by"], &reply["durable"]), (&json!("card"), &json!(true)));

    let total = app.total().await;
    let call = &total["active_calls"][format!("call_{id}")];
    let expected = json!({
        "worker_id": "worker_15550100", "mobile_no": "+15550100", "urgency": "CRITICAL",
        "conversation_id": format!("conv_{id}"), "status": "ACTIVE", "medium": "Text",
        "admin_id": null, "sync_status": "pending_sync", "call_sid": "CA1", "language": "en-US",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&call[name], value, "{name}");
    }
    let conversation = &total["active_conversations"][format!("conv_{id}")];
    assert_eq!(conversation["call_id"], format!("call_{id}"));
    let (said, answer) =
        (&conversation["messages"]["msg_000001"], &conversation["messages"]["msg_000002"]);
    assert_eq!((&said["role"], &said["content"]), (&json!("user"), &ask["speech"]));
    assert_eq!((&answer["role"], &answer["sources"]), (&json!("assistant"), &json!("Fire card")));
    assert_eq!(answer["content"], reply["message"]);
    for time in [&call["timestamp"], &call["last_message_at"], &said["timestamp"]] {
        let time = time.as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    }
    let both = app.call(&format!("call_{id}")).await;
    assert_eq!(both["call"]["mobile_no"], "+15550100");
    assert_eq!(both["conversation"]["messages"][1]["message_id"], "msg_000002");
}

#[tokio::test]
async fn one_number_is_one_open_call_and_a_call_sid_is_another() {
    let app = TestApp::spawn().await;
    let first = app.say("+15550100", "Hello").await;
    let again = app.say("+15550100", "Where is the office?").await;
    let other = app.say("+15550101", "Hello").await;
    let sid = json!({ "speech": "Hello", "ph_no": "+15550100", "call_sid": "CA1" });
    let named = app.post_json("/api/process-speech", &sid).await.json();

    assert_eq!(first.call_id, again.call_id);
    assert_ne!(first.call_id, other.call_id);
    assert_ne!(named["call_id"], json!(first.call_id));

    let bye = app.post_json("/api/hang-up", &json!({ "ph_no": "+15550100" })).await;
    assert_eq!(bye.status, 204);
    let next = app.say("+15550100", "Hello").await;
    assert_ne!(next.call_id, first.call_id, "a call that ended is not opened again");
    assert_eq!(app.call(first.call()).await["call"]["end_reason"], "caller_hung_up");
}

#[tokio::test]
async fn blank_speech_is_a_request_to_repeat_and_no_turn() {
    let app = TestApp::spawn().await;
    for blank in ["", "   ", "\u{200F}\u{202E}", "\n\t"] {
        let reply = app.say("+15550100", blank).await;
        assert_eq!((reply.call_id.as_deref(), reply.answered_by.as_str()), (None, "fallback"));
        assert!(reply.message.contains("say again"));
    }
    assert_eq!(app.total().await["active_calls"], json!({}));

    let call = app.say("+15550100", "There is a fire").await;
    let blank = app.say("+15550100", " ").await;
    assert_eq!((&blank.call_id, blank.urgency.as_str()), (&call.call_id, "critical"));
    assert_eq!(app.messages(call.conversation()).await.len(), 2);
}

#[tokio::test]
async fn a_form_is_accepted_too() {
    let app = TestApp::spawn().await;
    let form = [("SpeechResult", "There is a fire"), ("From", "+15550100")];

    let got = app.post_form("/api/process-speech", &form, &[]).await;

    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    assert_eq!(got.json()["urgency"], "critical");
}

/// One word beside another: what a caller said arrives as it was, whatever language it is in.
#[tokio::test]
async fn words_are_kept_and_tricks_with_characters_are_not() {
    let app = TestApp::spawn().await;
    let emoji = "🔥".repeat(15 * 1024 / 4);
    for (said, kept) in [
        ("Há um incêndio 🔥 no armazém", "Há um incêndio 🔥 no armazém"),
        ("نار في المستودع", "نار في المستودع"),
        ("a\u{0}b\u{7}c\u{1b}[31md", "a b c [31md"),
        ("fire\u{202E}erif\u{2066}x\u{200F}", "fireerifx"),
        ("  tabs\tand\r\nlines  ", "tabs and  lines"),
        ("<script>alert(1)</script>&amp;", "<script>alert(1)</script>&amp;"),
        ("\u{FEFF}byte order", "byte order"),
        (&emoji, &emoji),
    ] {
        let reply = app.say("+15550100", said).await;
        let messages = app.messages(reply.conversation()).await;
        let user = messages.iter().rfind(|it| it.0 == "user").unwrap();
        assert_eq!(user.1, kept);
    }
}
