//! Phone providers' webhooks: forms in, TwiML out.

mod redelivery;
mod signatures;
mod twiml;

use serde_json::{Value, json};

use self::twiml::{Twiml, phone};
use crate::harness::{TestApp, problem_code};

async fn the_call(app: &TestApp, sid: &str) -> Option<Value> {
    let total = app.total().await;
    let calls = total["active_calls"].as_object().unwrap().clone();
    calls.into_iter().map(|it| it.1).find(|it| it["call_sid"] == sid)
}

async fn said_to(app: &TestApp, sid: &str) -> Vec<(String, String)> {
    let call = the_call(app, sid).await.expect("the call is known");
    app.messages(call["conversation_id"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_call_is_greeted_and_listened_to() {
    let app = TestApp::spawn().await;
    for (n, path) in ["/incoming-call", "/"].into_iter().enumerate() {
        let sid = format!("CA{n}");
        let form = [("CallSid", sid.as_str()), ("From", "+15550100"), ("To", "+15550199")];

        let twiml = phone(&app, path, &form).await;

        assert!(twiml.says().starts_with("This is Aurora"));
        let gather = twiml.gather().expect("it listens");
        for (name, value) in [
            ("input", "speech dtmf"),
            ("action", "/process-speech"),
            ("method", "POST"),
            ("actionOnEmptyResult", "true"),
            ("speechTimeout", "auto"),
            ("language", "en-US"),
        ] {
            assert_eq!(gather[name], value, "{name}");
        }
        assert_eq!(twiml.text_of("Redirect"), "/process-speech");
        let call = the_call(&app, &sid).await.expect("the call is open");
        assert_eq!((&call["status"], &call["mobile_no"]), (&json!("ACTIVE"), &json!("+15550100")));
    }
}

#[tokio::test]
async fn what_is_said_is_answered_and_listened_to_again() {
    let app = TestApp::spawn().await;
    let form = [
        ("CallSid", "CA1"),
        ("From", "+15550100"),
        ("SpeechResult", "There is a fire"),
        ("Confidence", "0.91"),
    ];

    let twiml = phone(&app, "/process-speech", &form).await;

    assert!(twiml.says().starts_with("Leave the building now"));
    assert!(twiml.gather().is_some() && !twiml.has("Hangup"));
    let said = said_to(&app, "CA1").await;
    assert_eq!(said[0], ("user".to_owned(), "There is a fire".to_owned()));
    assert_eq!(said[1].1, twiml.says());
}

#[tokio::test]
async fn keys_are_words() {
    let app = TestApp::spawn().await;
    for (digits, urgency) in [("1", "CRITICAL"), ("2", "URGENT")] {
        let sid = format!("CA{digits}");
        let form = [("CallSid", sid.as_str()), ("From", "+15550100"), ("Digits", digits)];
        let twiml = phone(&app, "/process-speech", &form).await;
        assert!(twiml.gather().is_some() && !twiml.says().is_empty());
        assert_eq!(the_call(&app, &sid).await.unwrap()["urgency"], urgency);
    }
    // What is spoken goes before what is pressed; what is no key is nothing.
    let both = [("CallSid", "CA3"), ("SpeechResult", "Hello"), ("Digits", "1")];
    phone(&app, "/process-speech", &both).await;
    assert_eq!(said_to(&app, "CA3").await[0].1, "Hello");
    let odd = [("CallSid", "CA4"), ("Digits", "<1>")];
    assert!(phone(&app, "/process-speech", &odd).await.says().starts_with("I did not hear"));
}

#[tokio::test]
async fn three_silences_end_a_call_but_never_a_critical_one() {
    let app = TestApp::spawn().await;
    for (sid, said) in [("CA1", "Where is the office?"), ("CA2", "There is a fire")] {
        let form = [("CallSid", sid), ("From", "+15550100"), ("SpeechResult", said)];
        phone(&app, "/process-speech", &form).await;
    }
    let silent =
        async |sid| phone(&app, "/process-speech", &[("CallSid", sid), ("SpeechResult", "")]).await;

    for _ in 0..2 {
        assert!(silent("CA1").await.gather().is_some());
    }
    // Speaking begins the count anew.
    let again = [("CallSid", "CA1"), ("SpeechResult", "Hello?")];
    phone(&app, "/process-speech", &again).await;
    for _ in 0..2 {
        assert!(silent("CA1").await.gather().is_some());
    }
    let last = silent("CA1").await;
    assert!(last.has("Hangup") && last.gather().is_none() && last.says().contains("ends now"));
    let call = the_call(&app, "CA1").await.unwrap();
    assert_eq!((&call["status"], &call["end_reason"]), (&json!("ENDED"), &json!("silence")));

    for _ in 0..6 {
        let twiml = silent("CA2").await;
        assert!(twiml.gather().is_some() && !twiml.has("Hangup"));
    }
    assert_eq!(the_call(&app, "CA2").await.unwrap()["status"], "ACTIVE");
    assert_eq!(said_to(&app, "CA2").await.len(), 2, "silence is no turn");
}

#[tokio::test]
async fn an_uncertain_recognition_is_asked_again_unless_it_sounds_like_danger() {
    let app = TestApp::spawn().await;
    let said = async |sid, words, confidence| {
        let form = [("CallSid", sid), ("SpeechResult", words), ("Confidence", confidence)];
        phone(&app, "/process-speech", &form).await.says()
    };

    assert!(said("CA1", "wear is the of is", "0.12").await.starts_with("I am not sure"));
    assert!(said("CA2", "there is a fire", "0.12").await.starts_with("Leave the building"));
    assert!(!said("CA3", "where is the office", "0.92").await.starts_with("I am not sure"));
    for odd in ["", "high", "NaN", "1e999", "-3"] {
        let answer = said("CA4", "there is a fire", odd).await;
        assert!(!answer.is_empty());
    }
}

#[tokio::test]
async fn a_final_status_ends_the_call_and_another_does_not() {
    let app = TestApp::spawn().await;
    let status = async |sid, status| {
        let form = [("CallSid", sid), ("CallStatus", status), ("CallDuration", "12")];
        let got = app.post_form("/call-status", &form, &[]).await;
        assert_eq!((got.status, got.body.len()), (204, 0), "{sid} {status}");
    };
    for word in ["completed", "busy", "failed", "no-answer", "canceled"] {
        // Before anything was said, of a call that nobody knows, twice, and late: all harmless.
        status(word, word).await;
        let form = [("CallSid", word), ("SpeechResult", "There is a fire")];
        phone(&app, "/process-speech", &form).await;
        for early in ["ringing", "in-progress", "answered", "initiated", "queued", "brewing", ""] {
            status(word, early).await;
        }
        assert_eq!(the_call(&app, word).await.unwrap()["status"], "ACTIVE");
        status(word, word).await;
        let ended = the_call(&app, word).await.unwrap();
        assert_eq!(ended["status"], "ENDED");
        status(word, word).await;
        status(word, "ringing").await;
        assert_eq!(the_call(&app, word).await.unwrap(), ended);
    }
}

#[tokio::test]
async fn hanging_up_says_goodbye_and_ends_once() {
    let app = TestApp::spawn().await;
    phone(&app, "/incoming-call", &[("CallSid", "CA1"), ("From", "+15550100")]).await;

    for _ in 0..2 {
        let twiml = phone(&app, "/hangup", &[("CallSid", "CA1")]).await;
        assert!(twiml.has("Hangup") && twiml.says().contains("Goodbye"));
    }

    assert_eq!(the_call(&app, "CA1").await.unwrap()["end_reason"], "hang_up");
    assert!(phone(&app, "/hangup", &[("CallSid", "CA404")]).await.has("Hangup"));
}

#[tokio::test]
async fn two_callers_behind_one_number_are_two_calls() {
    let app = TestApp::spawn().await;
    for (sid, words) in [("CA1", "There is a fire"), ("CA2", "Where is the office?")] {
        let form = [("CallSid", sid), ("From", "+15550100"), ("SpeechResult", words)];
        phone(&app, "/process-speech", &form).await;
    }

    assert_eq!(the_call(&app, "CA1").await.unwrap()["urgency"], "CRITICAL");
    assert_eq!(the_call(&app, "CA2").await.unwrap()["urgency"], "NORMAL");
    phone(&app, "/hangup", &[("CallSid", "CA2")]).await;
    assert_eq!(the_call(&app, "CA1").await.unwrap()["status"], "ACTIVE");
}

#[tokio::test]
async fn a_supervisors_words_reach_the_caller_escaped_and_soon() {
    let app = TestApp::spawn().await;
    let form = [("CallSid", "CA1"), ("From", "+15550100"), ("SpeechResult", "There is a fire")];
    phone(&app, "/process-speech", &form).await;
    let total = app.total().await;
    let id = total["active_calls"].as_object().unwrap().keys().next().unwrap().clone();
    let act = async |action: &str, content: &str| {
        let body = json!({ "admin_id": "kim", "content": content });
        assert_eq!(app.act(&format!("/api/call/{id}/{action}"), &body).await.status, 204);
    };
    act("takeover", "").await;
    let held = phone(&app, "/process-speech", &[("CallSid", "CA1"), ("SpeechResult", "Hello?")]);
    assert_eq!(held.await.gather().unwrap()["timeout"], "3");

    let hostile = r#"</Say><Hangup/><Dial>+1900</Dial> "Tom" & <Jerry> ]]> <!-- &amp;"#;
    act("message", hostile).await;
    let silent = phone(&app, "/process-speech", &[("CallSid", "CA1")]).await;

    assert!(!silent.has("Hangup") && !silent.has("Dial"));
    assert_eq!(silent.says().replace("1 9 0 0", "1900").replace("+ ", "+"), hostile);
    // Said once; then the line is quiet, however long.
    for _ in 0..5 {
        let quiet = phone(&app, "/process-speech", &[("CallSid", "CA1")]).await;
        assert!(quiet.says().is_empty() && quiet.gather().is_some() && !quiet.has("Hangup"));
    }
}

#[tokio::test]
async fn a_form_that_no_provider_sends_is_refused_and_changes_nothing() {
    let app = TestApp::spawn().await;
    let long = "x".repeat(17_000);
    let sid = "C".repeat(200);
    let before = app.total().await;
    for path in ["/incoming-call", "/process-speech", "/call-status", "/hangup", "/"] {
        for (form, status) in [
            (vec![], 422),
            (vec![("CallSid", "")], 422),
            (vec![("CallSid", sid.as_str())], 422),
            (vec![("CallSid", "CA1\u{0}")], 422),
            (vec![("CallSid", "CA1"), ("SpeechResult", long.as_str())], 413),
        ] {
            let got = app.post_form(path, &form, &[]).await;
            assert_eq!(got.status, status, "{path} {form:?}");
            problem_code(&got);
        }
        let many: Vec<_> = (0..300).map(|_| ("a", "b")).collect();
        assert_eq!(app.post_form(path, &many, &[]).await.status, 422);
        let json = app.post_raw(path, "application/json", "{\"CallSid\": \"CA1\"}").await;
        assert_eq!(json.status, 415);
    }
    assert_eq!(app.total().await, before);
    // Bytes that are no text are replaced, and the caller is answered.
    let kind = "application/x-www-form-urlencoded";
    let got = app.post_raw("/process-speech", kind, "CallSid=CA1&SpeechResult=fire%FF%00+here");
    assert!(Twiml::read(&got.await).gather().is_some());
}
