//! Bytes of a reply to JSON objects: a stream of `data:` lines, or one whole document.
//!
//! # Promises
//! - Bytes may arrive in any pieces, cut inside a character too; line ends are LF or CRLF.
//! - Comments, unknown fields and unknown events are passed over; a missing blank line between two
//!   objects does no harm.
//! - A line and the whole reply are bounded.

use serde_json::Value;

/// Longest line, or whole document. A piece of text has a few hundred bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Longest reply with everything around its text, which is a hundred times the text.
const MAX_WIRE_BYTES: usize = 2 * 1024 * 1024;

/// What the bytes turned out to hold.
#[derive(Debug, PartialEq)]
pub enum Item {
    Object(Value),
    /// `event: error` with something that is no error object.
    Error,
    /// `[DONE]`
    Done,
}

/// A reply that can't be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

#[derive(Debug, Default)]
pub struct Wire {
    /// Bytes of the line, or of the document, that is not complete yet.
    line: Vec<u8>,
    /// Data lines that are no JSON yet: an event may be spread over several.
    data: String,
    in_error_event: bool,
    /// Known with the first byte that is not white: a document begins with a bracket.
    is_document: Option<bool>,
    n_bytes: usize,
}

impl Wire {
    /// Takes the next bytes; what became complete is appended to `items`.
    pub fn push(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<(), Unreadable> {
        self.n_bytes += bytes.len();
        if self.n_bytes > MAX_WIRE_BYTES {
            return Err(Unreadable("it is too long"));
        }
        if self.is_document.is_none() {
            let first = bytes.iter().find(|it| !it.is_ascii_whitespace());
            self.is_document = first.map(|it| matches!(it, b'{' | b'['));
        }
        if self.is_document == Some(true) {
            return self.keep(bytes);
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|it| *it == b'\n') {
            self.keep(&rest[..end])?;
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.read_line(&line, items)?;
        }
        self.keep(rest)
    }

    /// Takes the end of the reply, which may come without a last line end.
    pub fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Unreadable> {
        let line = std::mem::take(&mut self.line);
        if self.is_document == Some(true) {
            let value = serde_json::from_slice(&line);
            items.push(Item::Object(value.map_err(|_| Unreadable("it is no JSON"))?));
            return Ok(());
        }
        self.read_line(&line, items)?;
        self.read_line(b"", items)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if self.line.len() + bytes.len() > MAX_LINE_BYTES {
            return Err(Unreadable("a line is too long"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn read_line(&mut self, line: &[u8], items: &mut Vec<Item>) -> Result<(), Unreadable> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line);
        let line = line.trim_start_matches('\u{feff}');
        if line.is_empty() {
            let is_cut = !std::mem::take(&mut self.data).is_empty();
            self.in_error_event = false;
            return match is_cut {
                true => Err(Unreadable("a piece of it is no JSON")),
                false => Ok(()),
            };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        match (field, value.trim()) {
            ("event", name) => self.in_error_event = name == "error",
            ("data", data) if data.starts_with("[DONE]") => items.push(Item::Done),
            // llama.cpp has written `error: {…}` in place of an event.
            ("error", _) => items.push(Item::Error),
            ("data", data) if !data.is_empty() => self.read_data(data, items)?,
            _ => {}
        }
        Ok(())
    }

    fn read_data(&mut self, data: &str, items: &mut Vec<Item>) -> Result<(), Unreadable> {
        if self.data.len() + data.len() > MAX_LINE_BYTES {
            return Err(Unreadable("an event is too long"));
        }
        if !self.data.is_empty() {
            self.data.push('\n');
        }
        self.data.push_str(data);
        if let Ok(value) = serde_json::from_str::<Value>(&self.data) {
            self.data.clear();
            let is_error = self.in_error_event && value.get("error").is_none();
            items.push(if is_error { Item::Error } else { Item::Object(value) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Item>, Unreadable> {
        let mut wire = Wire::default();
        let mut items = Vec::new();
        for piece in pieces {
            wire.push(piece, &mut items)?;
        }
        wire.finish(&mut items)?;
        Ok(items)
    }

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let stream = ": hi\r\n\r\ndata:{\"a\":\"é🙂\"}\r\n\r\nid: 7\nevent: message\n\
                      data: {\"b\":\ndata: 2}\n\ndata: {\"c\":3}\ndata: [DONE] \n\n"
            .as_bytes();
        let whole = read(&[stream]).expect("readable");

        assert_eq!(whole[0], Item::Object(json!({"a": "é🙂"})));
        assert_eq!(whole[1], Item::Object(json!({"b": 2})));
        assert_eq!(whole[2], Item::Object(json!({"c": 3})));
        assert_eq!(whole[3], Item::Done);
        for at in 0..stream.len() {
            let (left, right) = stream.split_at(at);
            assert_eq!(read(&[left, right]).as_ref(), Ok(&whole), "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(whole));
    }

    #[test]
    fn a_whole_document_is_read_when_it_ends() {
        let items = read(&[b" \n{\"a\":", b"\n1}"]).expect("readable");

        assert_eq!(items, [Item::Object(json!({"a": 1}))]);
    }

    #[test]
    fn an_error_event_is_an_error_whatever_it_says() {
        let items = read(&[b"event: error\ndata: {\"message\":\"x\"}\n\nerror: {}\n"]);

        assert_eq!(items, Ok(vec![Item::Error, Item::Error]));
    }

    #[test]
    fn html_holds_nothing_and_half_an_object_is_unreadable() {
        assert_eq!(read(&[b"<html>\n<p>data</p>\n"]), Ok(vec![]));
        assert!(read(&[b"data: {\"a\":\n\n"]).is_err());
        assert!(read(&[b"{\"a\":"]).is_err());
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let line = [b'x'; MAX_LINE_BYTES];

        assert!(read(&[b"data: ", &line]).is_err());
    }
}
