//! What a provider's webhook says, in types: who calls, what was heard, where the call stands.
//!
//! # Promises
//! - `CallSid` and the numbers are checked; nothing else can make a webhook fail. A caller does not
//!   lose a turn because the provider wrote a confidence in an unexpected way.
//! - An empty parameter counts as an absent one. Parameters that are not known here are ignored.

use std::borrow::Cow;

use crate::telephony::{CallStatus, FormError, Pair};

/// A provider's ids are 34 characters, other providers' are up to 64.
const MAX_CALL_SID: usize = 64;
/// Longest number or address of a caller; an E.164 number has 16 characters.
const MAX_NUMBER: usize = 64;
/// Longest sequence of keys. Beyond that somebody leans on the telephone.
const MAX_DIGITS: usize = 64;

/// One form post of a phone provider. Borrows from the decoded form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Webhook<'a> {
    /// `CallSid`: the provider's id of the call, opaque.
    pub call_sid: Option<&'a str>,
    /// `AccountSid`.
    pub account_sid: Option<&'a str>,
    /// `From`: the caller's number, or `anonymous`, or `client:name`; opaque.
    pub from: Option<Cow<'a, str>>,
    /// `To`: the number that was called; opaque.
    pub to: Option<Cow<'a, str>>,
    /// `SpeechResult`: what was heard. Absent when nothing was.
    pub speech: Option<&'a str>,
    /// `Confidence`: of the speech recognition, 0 to 1. Absent or 0 says nothing about the words.
    pub confidence: Option<f32>,
    /// `Digits`: the keys that were pressed.
    pub digits: Option<&'a str>,
    /// `CallStatus`.
    pub call_status: Option<CallStatus>,
    /// `CallDuration` in seconds; with a final status only.
    pub call_duration_s: Option<u32>,
    /// `Language` in which the words were recognised, such as `en-US`.
    pub language: Option<&'a str>,
    /// `SequenceNumber` of a status callback, from 0: the order in which they were sent.
    pub sequence_number: Option<u32>,
    /// `ErrorCode`: why the provider could not use the last answer; on its fallback address only.
    pub error_code: Option<u32>,
}

impl<'a> Webhook<'a> {
    /// Reads the parameters that Aurora uses. Where one comes twice, the first counts.
    ///
    /// # Errors
    /// `CallSid`, `From` or `To` is too long or contains characters that it must not.
    pub fn from_pairs(pairs: &'a [Pair<'a>]) -> Result<Self, FormError> {
        let value = |name: &str| {
            pairs
                .iter()
                .find(|(it, value)| it == name && !value.trim().is_empty())
                .map(|(_, value)| value.as_ref())
        };
        Ok(Self {
            call_sid: value("CallSid").map(call_sid).transpose()?,
            account_sid: value("AccountSid").filter(|it| it.len() <= MAX_CALL_SID),
            from: value("From").map(|it| number("From", it)).transpose()?,
            to: value("To").map(|it| number("To", it)).transpose()?,
            speech: value("SpeechResult"),
            confidence: value("Confidence").and_then(confidence),
            digits: value("Digits").filter(|it| are_keys(it)),
            call_status: value("CallStatus").map(CallStatus::parse),
            call_duration_s: value("CallDuration").and_then(whole),
            language: value("Language").filter(|it| is_language(it)),
            sequence_number: value("SequenceNumber").and_then(whole),
            error_code: value("ErrorCode").and_then(whole),
        })
    }

    /// The call's id, where a request makes no sense without it.
    ///
    /// # Errors
    /// [`FormError::Missing`].
    pub fn require_call_sid(&self) -> Result<&'a str, FormError> {
        self.call_sid.ok_or(FormError::Missing { name: "CallSid" })
    }

    /// The caller's number, where a request makes no sense without it.
    ///
    /// # Errors
    /// [`FormError::Missing`].
    pub fn require_from(&self) -> Result<&str, FormError> {
        self.from.as_deref().ok_or(FormError::Missing { name: "From" })
    }
}

fn call_sid(text: &str) -> Result<&str, FormError> {
    check_length("CallSid", text, MAX_CALL_SID)?;
    let allowed = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    if !text.bytes().all(allowed) {
        return Err(FormError::Character { name: "CallSid" });
    }
    Ok(text)
}

/// A number is opaque, except for a `+` that was sent unescaped and so became a blank.
fn number<'a>(name: &'static str, text: &'a str) -> Result<Cow<'a, str>, FormError> {
    check_length(name, text, MAX_NUMBER)?;
    if text.chars().any(char::is_control) {
        return Err(FormError::Character { name });
    }
    let bare = text.trim();
    if text.starts_with(' ') && bare.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(Cow::Owned(format!("+{bare}")));
    }
    Ok(Cow::Borrowed(bare))
}

fn check_length(name: &'static str, text: &str, max: usize) -> Result<(), FormError> {
    let n_chars = text.chars().count();
    if n_chars > max {
        return Err(FormError::TooLong { name, n_chars, max });
    }
    Ok(())
}

fn confidence(text: &str) -> Option<f32> {
    let value: f32 = text.trim().parse().ok()?;
    value.is_finite().then(|| value.clamp(0.0, 1.0))
}

fn whole(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

fn are_keys(text: &str) -> bool {
    let is_key = |it: u8| it.is_ascii_digit() || matches!(it, b'*' | b'#' | b'A'..=b'D' | b'w');
    text.len() <= MAX_DIGITS && text.bytes().all(is_key)
}

fn is_language(text: &str) -> bool {
    text.len() <= 35 && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telephony::parse_form;

    fn with<R>(body: &str, check: impl FnOnce(Result<Webhook<'_>, FormError>) -> R) -> R {
        let pairs = parse_form(body.as_bytes()).expect("the form is short");
        check(Webhook::from_pairs(&pairs))
    }

    #[test]
    fn a_spoken_turn_is_read() {
        let body = "CallSid=CA1&From=%2B15550100&To=%2B15550199&SpeechResult=fire+in+hall+2\
            &Confidence=0.91&CallStatus=in-progress&Language=en-US&Weather=fine";

        with(body, |it| {
            let it = it.expect("the form is valid");
            assert_eq!(it.require_call_sid(), Ok("CA1"));
            assert_eq!(it.require_from(), Ok("+15550100"));
            assert_eq!(it.to.as_deref(), Some("+15550199"));
            assert_eq!(it.speech, Some("fire in hall 2"));
            assert_eq!(it.confidence, Some(0.91));
            assert_eq!(it.call_status, Some(CallStatus::InProgress));
            assert_eq!(it.language, Some("en-US"));
        });
    }

    #[test]
    fn a_final_status_is_read() {
        let body = "CallSid=CA1&CallStatus=completed&CallDuration=37&SequenceNumber=3";

        with(body, |it| {
            let it = it.expect("the form is valid");
            assert!(it.call_status.is_some_and(CallStatus::is_final));
            assert_eq!(it.call_duration_s, Some(37));
            assert_eq!(it.sequence_number, Some(3));
        });
    }

    #[test]
    fn an_unescaped_plus_is_healed() {
        for (sent, read) in [
            ("From=+15550100", "+15550100"),
            ("From= 15550100", "+15550100"),
            ("From=%2B15550100", "+15550100"),
            ("From=15550100", "15550100"),
            ("From=anonymous", "anonymous"),
            ("From=client:ann%20lee", "client:ann lee"),
        ] {
            with(sent, |it| assert_eq!(it.expect("valid").require_from(), Ok(read), "{sent}"));
        }
    }

    #[test]
    fn silence_is_absent_and_oddities_do_not_cost_the_turn() {
        let body = "CallSid=CA1&SpeechResult=+&Digits=12x&Confidence=NaN&CallDuration=-1\
            &Language=%3Cb%3E&CallStatus=paused";

        with(body, |it| {
            let it = it.expect("only ids and numbers can fail");
            assert_eq!((it.speech, it.digits, it.confidence), (None, None, None));
            assert_eq!((it.call_duration_s, it.language), (None, None));
            assert_eq!(it.call_status, Some(CallStatus::Other));
        });
    }

    #[test]
    fn bad_ids_and_numbers_are_refused_by_name() {
        let long = format!("CallSid={}", "x".repeat(65));
        let long_from = format!("From={}", "é".repeat(65));
        for (body, message) in [
            ("CallSid=a/b", "CallSid contains a character that is not allowed there"),
            ("From=1%0D%0A2", "From contains a character that is not allowed there"),
            (long.as_str(), "CallSid has 65 characters, at most 64 are allowed"),
            (long_from.as_str(), "From has 65 characters, at most 64 are allowed"),
        ] {
            with(body, |it| {
                let err = it.expect_err("the form is invalid");
                assert_eq!(err.to_string(), message);
            });
        }
        with("CallSid=&From=", |it| {
            let err = it.expect("absent").require_call_sid().expect_err("empty");
            assert_eq!(err.to_string(), "the form has no CallSid");
        });
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_bounded(body in "(CallSid|From|Digits|Confidence)=.{0,90}") {
            with(&body, |it| {
                if let Ok(it) = it {
                    assert!(it.call_sid.is_none_or(|it| (1..=64).contains(&it.len())));
                    assert!(it.from.is_none_or(|it| it.chars().count() <= 64));
                    assert!(it.confidence.is_none_or(|it| (0.0..=1.0).contains(&it)));
                }
            });
        }
    }
}
