//! A form body as an ordered list of names and values, bounded.

use std::borrow::Cow;

use url::form_urlencoded;

/// A name and its value, decoded once.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Most parameters of one form. A provider sends about thirty.
const MAX_PAIRS: usize = 200;

/// Why a provider's form could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the form has more than {MAX_PAIRS} parameters")]
    TooManyPairs,
    #[error("the form has no {name}")]
    Missing { name: &'static str },
    #[error("{name} has {n_chars} characters, at most {max} are allowed")]
    TooLong { name: &'static str, n_chars: usize, max: usize },
    #[error("{name} contains a character that is not allowed there")]
    Character { name: &'static str },
}

/// Decodes `application/x-www-form-urlencoded`.
///
/// Order and repetitions stay, because the signature needs them. A `+` is a blank, once; bytes that
/// are not UTF-8 become U+FFFD.
///
/// # Errors
/// [`FormError::TooManyPairs`] beyond 200 parameters. They are not cut off: that would be another
/// form than the signed one.
pub fn parse_form(body: &[u8]) -> Result<Vec<Pair<'_>>, FormError> {
    let mut pairs = Vec::new();
    for pair in form_urlencoded::parse(body) {
        if pairs.len() == MAX_PAIRS {
            return Err(FormError::TooManyPairs);
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_decoded_once_and_in_order() {
        let body = b"B=%2B1+2%2520&A=caf%C3%A9&A=&flag&bad=%FF%zz";

        let pairs = parse_form(body).expect("five parameters are few");

        let pairs: Vec<_> = pairs.iter().map(|it| (&*it.0, &*it.1)).collect();
        let expected =
            [("B", "+1 2%20"), ("A", "café"), ("A", ""), ("flag", ""), ("bad", "\u{FFFD}%zz")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_form_without_end_is_refused() {
        assert_eq!(parse_form("a=1&".repeat(200).as_bytes()).map(|it| it.len()), Ok(200));
        let more = "a=1&".repeat(201);
        assert_eq!(parse_form(more.as_bytes()), Err(FormError::TooManyPairs));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_an_error(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse_form(&body);
        }
    }
}
