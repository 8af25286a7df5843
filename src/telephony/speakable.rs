//! Text as a telephone voice should get it: clean, digit by digit, in pieces that fit.
//!
//! # Promises
//! - Only characters that XML 1.0 allows; every run of blanks is one blank.
//! - The pieces put together are the text; each is within the limits of `<Say>`.
//!
//! # Not here
//! The text that is stored and shown stays as it was; this is for the voice alone.

/// Longest text of one `<Say>`, in characters. Of the voices, Polly takes the least.
/// Source: Twilio, error 13521, read 2026-11-20.
const MAX_SAY_CHARS: usize = 3000;
/// The same text, URL-encoded, in bytes. Same source.
const MAX_SAY_ENCODED: usize = 4500;
/// From this length on, a run of digits is read digit by digit: a number to call, not a quantity.
const DIGIT_RUN: usize = 3;

/// Drops what XML forbids and makes every run of blanks and line breaks one blank.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        if it.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !it.is_control() && !matches!(it, '\u{FFFE}' | '\u{FFFF}') {
            out.push(it);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// [`clean`], with digits spaced out: `911` becomes `9 1 1`, `+15550100` becomes
/// `+ 1 5 5 5 0 1 0 0`. A voice would read them as one large number.
pub fn speakable(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|it: char| it.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        let n_digits = digits.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(before);
        if n_digits < DIGIT_RUN {
            out.push_str(&digits[..n_digits]);
        } else {
            if before.ends_with('+') {
                out.push(' ');
            }
            for (i, it) in digits[..n_digits].chars().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push(it);
            }
        }
        rest = &digits[n_digits..];
    }
    out.push_str(rest);
    out
}

/// Whether a voice can say anything of it. A `<Say>` without a word is an error (13520).
pub fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Cuts a text into pieces that fit into one `<Say>` each: after a sentence where there is one,
/// else after a blank, else anywhere.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(piece_end(rest));
        rest = after;
        Some(piece)
    })
}

fn piece_end(text: &str) -> usize {
    let (mut sentence, mut blank) = (None, None);
    let (mut n_chars, mut encoded, mut previous) = (0, 0, ' ');
    for (at, it) in text.char_indices() {
        n_chars += 1;
        encoded += if it.is_ascii_alphanumeric() { 1 } else { 3 * it.len_utf8() };
        if n_chars > MAX_SAY_CHARS || encoded > MAX_SAY_ENCODED {
            return sentence.or(blank).unwrap_or(at);
        }
        if it == ' ' {
            blank = Some(at + 1);
            if matches!(previous, '.' | '!' | '?' | '。') {
                sentence = Some(at + 1);
            }
        }
        previous = it;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_to_call_are_read_digit_by_digit() {
        for (written, spoken) in [
            ("Call 911.", "Call 9 1 1."),
            ("+15550100", "+ 1 5 5 5 0 1 0 0"),
            ("555-0100", "5 5 5-0 1 0 0"),
            ("Hall 12, gate 7", "Hall 12, gate 7"),
            ("B2345", "B2 3 4 5"),
            ("", ""),
        ] {
            assert_eq!(speakable(written), spoken);
        }
    }

    #[test]
    fn blanks_are_single_and_controls_gone() {
        assert_eq!(clean(" a\r\n\t b\u{0}\u{b}\u{1b}c\u{FFFF} \u{a0}d \u{85}"), "a b c d");
    }

    #[test]
    fn a_long_text_is_cut_between_sentences() {
        let text = "Stay calm. ".repeat(600);

        let pieces: Vec<_> = pieces(&text).collect();

        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|it| it.ends_with("calm. ")));
    }

    proptest! {
        #[test]
        fn pieces_fit_and_are_the_whole_text(text in r"(\PC{0,30}|[a-z. ]{0,400}|é{0,900}){0,12}") {
            let text = clean(&text);

            let pieces: Vec<_> = pieces(&text).collect();

            prop_assert_eq!(pieces.concat(), text.as_str());
            for it in pieces {
                prop_assert!(!it.is_empty() && it.chars().count() <= MAX_SAY_CHARS);
                let encoded: String = url::form_urlencoded::byte_serialize(it.as_bytes()).collect();
                prop_assert!(encoded.len() <= MAX_SAY_ENCODED);
            }
        }
    }
}
