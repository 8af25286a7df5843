//! TwiML: what the phone provider does next with a call.
//!
//! # Promises
//! - Well-formed XML with an XML declaration first, at most 64 kB, each `<Say>` within its limits.
//! - Text from callers, models and supervisors is escaped: it forms no verb and no SSML.
//! - Every answer except a hang-up listens again, and goes on when nothing was said, so that a
//!   caller is never dropped by silence.
//!
//! # Not here
//! Which answer: `conversation`. Content type and status: `routes` (`text/xml`, always 200 while a
//! caller is listening).

use quick_xml::escape::escape;

use crate::telephony::speakable::{clean, has_words, pieces, speakable};

/// The path that takes what the caller says next.
const ACTION: &str = "/process-speech";
/// Seconds of silence after the answer before the provider asks again.
const TIMEOUT_S: u32 = 5;
/// The same while a supervisor holds the call: the next words wait at the server.
const HOLD_TIMEOUT_S: u32 = 3;
/// Most bytes of speech and of hints in one answer, escaped. Together with the verbs around them
/// they stay below the 64 kB at which the provider refuses an answer (error 11750).
const MAX_SPEECH_BYTES: usize = 40_000;
const MAX_HINTS_BYTES: usize = 16_000;
/// Limits of `<Gather hints>`. Source: Twilio, error 13327 and "TwiML Voice: Gather", read 2026-11-20.
const MAX_HINTS: usize = 500;
const MAX_HINT_CHARS: usize = 100;

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// What a caller hears when an answer could not be made. It asks for the words again.
pub const APOLOGY: &str = "I am sorry, I could not work on that. I am still here. \
     If you are in danger, get to a safe place first. Then please tell me again what is happening.";

/// An answer that needs nothing: for when a part that makes answers has failed itself.
pub const LAST_RESORT: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?><Response><Gather input="speech dtmf" "#,
    r#"action="/process-speech" method="POST" actionOnEmptyResult="true" speechTimeout="auto" "#,
    r#"timeout="5"><Say>I am still here. If you are in danger, get to a safe place first. Then "#,
    r#"please tell me again what is happening.</Say></Gather>"#,
    r#"<Redirect method="POST">/process-speech</Redirect></Response>"#,
);

/// Why the settings of the voice cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    #[error("the language `{0}` is not a tag with a region such as en-US")]
    Language(String),
    #[error("the base address `{0}` is not an http or https address without query and fragment")]
    Base(String),
}

/// Renders answers. Made once from the settings, then shared; everything but the text is escaped
/// and ready.
#[derive(Debug, Clone)]
pub struct Twiml {
    say_open: String,
    language: String,
    action: String,
    hints: String,
}

impl Twiml {
    /// Answers in `language`, a BCP 47 tag with its region: a bare `en` makes `<Gather>` fail.
    ///
    /// # Errors
    /// [`TwimlError::Language`].
    pub fn new(language: &str) -> Result<Self, TwimlError> {
        let mut parts = language.split('-');
        let primary = parts.next().unwrap_or_default();
        let alphanumeric = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric());
        let valid = (2..=3).contains(&primary.len())
            && language.contains('-')
            && language.len() <= 35
            && alphanumeric(primary)
            && parts.all(|it| (2..=8).contains(&it.len()) && alphanumeric(it));
        if !valid {
            return Err(TwimlError::Language(language.to_owned()));
        }
        Ok(Self {
            say_open: format!(r#"<Say language="{language}">"#),
            language: language.to_owned(),
            action: ACTION.to_owned(),
            hints: String::new(),
        })
    }

    /// Says it with a voice of the provider, such as `Polly.Joanna-Neural`, instead of its default.
    pub fn with_voice(mut self, voice: &str) -> Self {
        let voice = clean(voice);
        if !voice.is_empty() {
            let language = &self.language;
            let voice = escape(voice.as_str());
            self.say_open = format!(r#"<Say voice="{voice}" language="{language}">"#);
        }
        self
    }

    /// Sends the caller's words to `{base}/process-speech`, an absolute address. Needed where the
    /// answer is given through the provider's REST API; a webhook's answer may stay relative.
    ///
    /// # Errors
    /// [`TwimlError::Base`].
    pub fn with_base(mut self, base: &str) -> Result<Self, TwimlError> {
        let wrong = || TwimlError::Base(base.to_owned());
        let url = url::Url::parse(base).map_err(|_| wrong())?;
        let is_http = matches!(url.scheme(), "http" | "https");
        if !is_http || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        let base = url.as_str().trim_end_matches('/');
        self.action = escape(format!("{base}{ACTION}")).into_owned();
        Ok(self)
    }

    /// Words that the speech recognition should expect: names of places, machines, people.
    ///
    /// The first 500 count, of up to 100 characters each, as far as 16 kB hold them.
    pub fn with_hints<T: AsRef<str>>(mut self, hints: impl IntoIterator<Item = T>) -> Self {
        let hints = hints
            .into_iter()
            .map(|it| clean(&it.as_ref().replace(',', " ")))
            .filter(|it| !it.is_empty() && it.chars().count() <= MAX_HINT_CHARS);
        self.hints.clear();
        for hint in hints.take(MAX_HINTS) {
            let hint = escape(hint.as_str());
            if self.hints.len() + 1 + hint.len() > MAX_HINTS_BYTES {
                break;
            }
            if !self.hints.is_empty() {
                self.hints.push(',');
            }
            self.hints.push_str(&hint);
        }
        self
    }

    /// Says the text, a greeting or an answer, and listens.
    pub fn answer(&self, text: &str) -> String {
        self.listen(text, TIMEOUT_S)
    }

    /// While a supervisor holds the call: says their words, if there are any, and comes back soon
    /// for the next.
    pub fn hold(&self, text: Option<&str>) -> String {
        self.listen(text.unwrap_or_default(), HOLD_TIMEOUT_S)
    }

    /// Apologises for a failure and keeps the caller on the line.
    pub fn apology(&self) -> String {
        self.answer(APOLOGY)
    }

    /// Says goodbye and ends the call.
    pub fn hang_up(&self, text: &str) -> String {
        let mut xml = format!("{DECLARATION}<Response>");
        self.say(&mut xml, text);
        xml.push_str("<Hangup/></Response>");
        xml
    }

    fn listen(&self, text: &str, timeout_s: u32) -> String {
        let Self { language, action, hints, .. } = self;
        let mut xml = String::with_capacity(700 + hints.len() + text.len() * 2);
        xml.push_str(DECLARATION);
        xml.push_str(r#"<Response><Gather input="speech dtmf" action=""#);
        xml.push_str(action);
        xml.push_str(
            r#"" method="POST" actionOnEmptyResult="true" speechTimeout="auto" timeout=""#,
        );
        xml.push_str(&timeout_s.to_string());
        xml.push_str(r#"" language=""#);
        xml.push_str(language);
        if !hints.is_empty() {
            xml.push_str(r#"" hints=""#);
            xml.push_str(hints);
        }
        xml.push_str(r#"">"#);
        self.say(&mut xml, text);
        // Without the redirect, a gather that ends early would fall through and end the call.
        xml.push_str(r#"</Gather><Redirect method="POST">"#);
        xml.push_str(action);
        xml.push_str("</Redirect></Response>");
        xml
    }

    fn say(&self, xml: &mut String, text: &str) {
        let text = speakable(text);
        let start = xml.len();
        for piece in pieces(&text).filter(|it| has_words(it)) {
            let piece = escape(piece);
            if xml.len() - start + piece.len() + self.say_open.len() > MAX_SPEECH_BYTES {
                break;
            }
            xml.push_str(&self.say_open);
            xml.push_str(&piece);
            xml.push_str("</Say>");
        }
    }
}

#[cfg(test)]
#[path = "twiml_tests.rs"]
mod tests;
