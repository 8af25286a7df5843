//! A hostile file, kept from filling the memory of whoever parses it.
//!
//! The one idea: only two things make a JSON parser remember without end, a text that does not
//! end and a nesting that does not. Both are seen in the bytes, before the parser sees them.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use memchr::memchr2;

/// Longest text, in bytes of the file. What is accepted in the end is far shorter.
pub const LONGEST_TEXT: usize = 1024 * 1024;
/// The published format nests six levels.
pub const DEEPEST: u32 = 64;

const TOO_LONG: &str = "a text is longer than 1 MiB";
const TOO_DEEP: &str = "it is nested deeper than 64 levels";

/// Hands bytes on until they go too far.
pub struct Guard<R> {
    inner: R,
    /// How much was handed on.
    n_bytes: Rc<Cell<u64>>,
    depth: u32,
    /// Bytes of the text that is open.
    text: Option<usize>,
    is_escaped: bool,
    refused: Option<&'static str>,
}

impl<R: Read> Guard<R> {
    pub fn new(inner: R, n_bytes: Rc<Cell<u64>>) -> Self {
        Self { inner, n_bytes, depth: 0, text: None, is_escaped: false, refused: None }
    }

    /// Where in `bytes` it goes too far, and why.
    fn scan(&mut self, bytes: &[u8]) -> Option<(usize, &'static str)> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let Some(length) = &mut self.text else {
                match byte {
                    b'"' => self.text = Some(0),
                    b'{' | b'[' if self.depth == DEEPEST => return Some((at, TOO_DEEP)),
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                continue;
            };
            let rest = &bytes[at..];
            let run = if std::mem::take(&mut self.is_escaped) {
                1
            } else {
                memchr2(b'"', b'\\', rest).unwrap_or(rest.len())
            };
            *length += run;
            if *length > LONGEST_TEXT {
                return Some((at, TOO_LONG));
            }
            at += run;
            if run == 0 {
                match byte {
                    b'"' => self.text = None,
                    _ => self.is_escaped = true,
                }
                at += 1;
            }
        }
        None
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(why) = self.refused {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let n = self.inner.read(buffer)?;
        let good = match self.scan(&buffer[..n]) {
            None => n,
            Some((at, why)) => {
                self.refused = Some(why);
                at
            }
        };
        self.n_bytes.set(self.n_bytes.get() + good as u64);
        // What is good so far is handed on first: the parser then knows where it broke off.
        if good == 0 && n > 0 { self.read(buffer) } else { Ok(good) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out pieces of a few bytes.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(self.1).min(buffer.len());
            let (now, later) = self.0.split_at(n);
            buffer[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    fn through(text: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Guard::new(Pieces(text, piece), Rc::default()).read_to_end(&mut out)?;
        Ok(out)
    }

    proptest! {
        #[test]
        fn what_is_within_bounds_goes_through(
            text in r#"[\[{"\\}\]a]{0,60}"#, piece in 1..9_usize
        ) {
            prop_assert_eq!(through(text.as_bytes(), piece).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_text_and_a_nesting_have_an_end() {
        for piece in [1, 7, 100_000] {
            let fits = format!("\"{}\"", "\\\\".repeat(LONGEST_TEXT / 4));
            assert!(through(fits.as_bytes(), piece).is_ok());
            let long = format!("\"{}", "x".repeat(LONGEST_TEXT + 1));
            assert_eq!(through(long.as_bytes(), piece).unwrap_err().to_string(), TOO_LONG);
            let brackets_in_text = format!("\"{}\"", "[".repeat(200));
            assert!(through(brackets_in_text.as_bytes(), piece).is_ok());
            assert_eq!(through(&[b'['; 65], piece).unwrap_err().to_string(), TOO_DEEP);
            assert!(through("[]".repeat(200).as_bytes(), piece).is_ok());
        }
    }
}
