//! The format of an event stream: bytes in any pieces become events.
//!
//! Only what the database uses of it: names and data; ids and times of reconnection are passed over.
//! Source: WHATWG HTML, "9.2.6 Interpreting an event stream", read 2026-11-20.

use std::collections::VecDeque;

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    /// Lines are parted by LF.
    pub data: Vec<u8>,
}

/// An event is longer than may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Holds at most one event that has not ended.
#[derive(Debug)]
pub struct Parser {
    line: Vec<u8>,
    name: String,
    data: Option<Vec<u8>>,
    /// The last byte was a CR: an LF that follows belongs to it.
    is_after_cr: bool,
    is_at_start: bool,
    max_bytes: usize,
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Parser {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            name: String::new(),
            data: None,
            is_after_cr: false,
            is_at_start: true,
            max_bytes,
        }
    }

    /// Takes the next piece; the events that end in it go to `events`.
    ///
    /// # Errors
    /// [`TooLong`]; the stream can't be read on.
    pub fn feed(&mut self, piece: &[u8], events: &mut VecDeque<Event>) -> Result<(), TooLong> {
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.is_after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            match memchr::memchr2(b'\n', b'\r', rest) {
                Some(end) => {
                    self.keep(&rest[..end])?;
                    self.is_after_cr = rest[end] == b'\r';
                    rest = &rest[end + 1..];
                    self.end_line(events);
                }
                None => {
                    self.keep(rest)?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), TooLong> {
        let kept = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if kept + part.len() > self.max_bytes {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<Event>) {
        let line = std::mem::take(&mut self.line);
        let is_first = std::mem::take(&mut self.is_at_start);
        let text = line.strip_prefix(BOM).filter(|_| is_first).unwrap_or(&line);
        if text.is_empty() {
            let name = std::mem::take(&mut self.name);
            if let Some(data) = self.data.take() {
                events.push_back(Event { name, data });
            }
        } else {
            self.field(text);
        }
        if line.capacity() <= 64 * 1024 {
            self.line = line;
            self.line.clear();
        }
    }

    fn field(&mut self, line: &[u8]) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Vec<(String, String)> {
        let (mut parser, mut events) = (Parser::new(1024), VecDeque::new());
        for piece in bytes.chunks(piece.max(1)) {
            parser.feed(piece, &mut events).expect("short events");
        }
        let text = |data| String::from_utf8(data).expect("UTF-8");
        events.into_iter().map(|it| (it.name, text(it.data))).collect()
    }

    fn told(events: &[(&str, &str)]) -> Vec<(String, String)> {
        events.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect()
    }

    #[test]
    fn events_come_out_the_same_in_pieces_of_any_size() {
        let stream = "\u{FEFF}event: put\ndata: {\"path\":\"/\",\"data\":\"Grüße 火\"}\n\n\
            : a comment\n\nevent: keep-alive\r\ndata: null\r\n\r\nevent:put\rdata:a\rdata: b\r\r\
            event: nothing\n\ndata\n\ndata:  x\nid: 7\nretry: 9\nfoo: bar\n\ndata: lost";
        let expected = told(&[
            ("put", "{\"path\":\"/\",\"data\":\"Grüße 火\"}"),
            ("keep-alive", "null"),
            ("put", "a\nb"),
            ("", ""),
            ("", " x"),
        ]);

        for piece in 1..stream.len() {
            assert_eq!(read(stream.as_bytes(), piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_event_that_does_not_end_takes_no_more_memory_than_is_allowed() {
        for text in ["data: 0123456789\n", "data: 0123456789", "0123456789"] {
            let (mut parser, mut events) = (Parser::new(100), VecDeque::new());
            let fed =
                (0..20).map(|_| parser.feed(text.as_bytes(), &mut events)).find(|it| it.is_err());
            assert_eq!(fed, Some(Err(TooLong)), "{text}");
            assert!(events.is_empty());
        }
        let (mut parser, mut events) = (Parser::new(100), VecDeque::new());
        for _ in 0..1000 {
            parser.feed(b"data: 0123456789\n\n", &mut events).expect("each is short");
        }
        assert_eq!(events.len(), 1000);
    }
}
