//! What is spoken of what the model said.

use super::*;

#[tokio::test]
async fn the_urgency_is_never_below_the_floor() {
    let fake = ChatFake::start();
    let mut ask = ask();
    ask.floor = Urgency::Critical;

    let answer = model(&fake, AMPLE).answer(ask).await.unwrap();

    assert_eq!(answer.urgency, Urgency::Critical);
}

#[tokio::test]
async fn plain_text_instead_of_the_agreed_form_is_no_answer() {
    assert_eq!(kind_of(Case::Content("Leave now.".to_owned())).await, "broken");
    assert_eq!(kind_of(says(" 🙂 ")).await, "broken");
}

#[tokio::test]
async fn markup_is_not_spoken() {
    let answer = answer_to(says("**Go** out:\n- slowly\n- `now` 🚨")).await.unwrap();

    assert_eq!(answer.text, "Go out: slowly. now");
}

#[tokio::test]
async fn what_is_not_known_is_never_spoken() {
    for message in ["Call 999.", "Go to zone 7.", "Ask for Dr. Smith.", "See www.help.com."] {
        let kind = kind_of(says(message)).await;
        assert_eq!(kind, "unsafe_words", "{message}");
    }
    let known = answer_to(says("Call extension 4410.")).await.unwrap();
    assert_eq!(known.text, "Call extension 4410.");
}

#[tokio::test]
async fn what_the_caller_said_earlier_may_be_said_back() {
    let fake = ChatFake::start();
    fake.otherwise(says("Stay in zone 7."));
    let model = model(&fake, AMPLE);
    let said_by = |role| {
        let mut ask = ask();
        let text = "i am in zone seven".to_owned();
        ask.history.push(Spoken { role, text });
        ask
    };

    assert!(model.answer(said_by(Speaker::Caller)).await.is_ok());
    assert!(model.answer(said_by(Speaker::Assistant)).await.is_err());
}
