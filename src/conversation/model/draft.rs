//! The text of a reply while it grows: reasoning is left out, the answer's JSON is looked for.

use super::turn::Turn;

/// Longest text of a reply; an answer has a few hundred bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;
const OPENING: [&str; 2] = ["<think>", "<thinking>"];
const CLOSING: [&str; 2] = ["</think>", "</thinking>"];
/// Most places in a finished text at which an object is tried.
const MAX_TRIES: usize = 32;

/// The reply is longer than any answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

#[derive(Debug, Default)]
pub struct Draft {
    /// What may be the beginning of a tag.
    pending: String,
    in_reasoning: bool,
    /// What was said so far, without reasoning.
    text: String,
    object: Object,
    n_bytes: usize,
}

/// The outermost object that is being looked for. Brackets in a string don't count.
#[derive(Debug, Default)]
struct Object {
    /// Where it begins, once it has.
    start: Option<usize>,
    /// Bytes of the text that were looked at.
    seen: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Draft {
    /// Appends a piece; returns the answer as soon as its object is complete.
    pub fn push(&mut self, piece: &str) -> Result<Option<Turn>, TooLong> {
        self.n_bytes += piece.len();
        if self.n_bytes > MAX_TEXT_BYTES {
            return Err(TooLong);
        }
        // Some models break lines inside a string, which JSON forbids.
        self.pending.extend(piece.chars().map(|it| if it.is_control() { ' ' } else { it }));
        self.take_pending();
        Ok(self.look())
    }

    /// Whether anything useful came: text that is neither reasoning nor white.
    pub fn has_begun(&self) -> bool {
        !self.text.trim().is_empty()
    }

    /// The answer in the finished text, wherever in it an object of its form begins.
    pub fn finish(&mut self) -> Option<Turn> {
        if !self.in_reasoning {
            let rest = std::mem::take(&mut self.pending);
            self.text.push_str(&rest);
        }
        let starts = self.text.match_indices('{').take(MAX_TRIES);
        starts.into_iter().find_map(|(at, _)| Turn::read(&self.text[at..]))
    }

    /// What is known of the answer while its object is not complete.
    pub fn so_far(&self) -> Option<Turn> {
        Turn::read_partial(&self.text[self.object.start?..])
    }

    /// Moves to `text` what can't be part of a tag any more.
    fn take_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while let Some(at) = rest.find('<') {
            self.say(&rest[..at]);
            rest = &rest[at..];
            if let Some(len) = tag(rest, &OPENING) {
                self.in_reasoning = true;
                rest = &rest[len..];
            } else if let Some(len) = tag(rest, &CLOSING) {
                if !self.in_reasoning {
                    // The server took the opening tag for itself: all of it was reasoning.
                    self.text.clear();
                    self.object = Object::default();
                }
                self.in_reasoning = false;
                rest = &rest[len..];
            } else if OPENING.iter().chain(&CLOSING).any(|it| begins(it, rest)) {
                self.pending.push_str(rest);
                return;
            } else {
                self.say("<");
                rest = &rest[1..];
            }
        }
        self.say(rest);
    }

    fn say(&mut self, text: &str) {
        if !self.in_reasoning {
            self.text.push_str(text);
        }
    }

    /// Looks at the new bytes for the end of an object.
    fn look(&mut self) -> Option<Turn> {
        let object = &mut self.object;
        for at in object.seen..self.text.len() {
            object.seen = at + 1;
            if let Some(start) = object.step(at, self.text.as_bytes()[at]) {
                match Turn::read(&self.text[start..=at]) {
                    Some(turn) => return Some(turn),
                    None => object.start = None, // Something in braces that is no answer.
                }
            }
        }
        None
    }
}

/// Length of the tag that stands at the start of `text`.
fn tag(text: &str, tags: &[&str]) -> Option<usize> {
    let mut lengths = tags.iter().filter(|it| begins(text, it)).map(|it| it.len());
    lengths.next()
}

fn begins(text: &str, with: &str) -> bool {
    let start = text.as_bytes().get(..with.len());
    start.is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()))
}

impl Object {
    /// Where the object begins that this byte ends, if it ends one.
    fn step(&mut self, at: usize, byte: u8) -> Option<usize> {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' if self.start.is_some() => self.in_string = !self.in_string,
            b'{' if !self.in_string => {
                self.start.get_or_insert(at);
                self.depth += 1;
            }
            b'}' if !self.in_string && self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return self.start;
                }
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"urgency":"URGENT","message":"Go {out}. Say \"yes\".","sources":[]}"#;

    /// The message that is found when the text comes in pieces of `size` bytes or so.
    fn found(text: &str, size: usize) -> Option<String> {
        let mut draft = Draft::default();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            if let Some(turn) = draft.push(&piece).expect("short") {
                return Some(turn.message);
            }
        }
        draft.finish().map(|it| it.message)
    }

    #[test]
    fn the_answer_is_found_in_whatever_is_around_it() {
        for text in [
            ANSWER.to_owned(),
            format!("```json\n{ANSWER}\n```"),
            format!("Sure {{here}} it \"is: {ANSWER} Bye {{}}"),
            format!("<think>Say {{\"message\":\"no\"}} < 3</think>\n{ANSWER}"),
            format!("<THINKING>no {{</thinking>{ANSWER}"),
            format!("orphan {{\"x\":1}} </think>{ANSWER}"),
            format!("a < b <thin {ANSWER}"),
            format!("unbalanced {{ brace {ANSWER}"),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let found = found(&text, size);
                assert_eq!(found.as_deref(), Some("Go {out}. Say \"yes\"."), "{text} by {size}");
            }
        }
    }

    #[test]
    fn reasoning_is_not_the_beginning_of_an_answer() {
        let mut draft = Draft::default();
        for piece in ["\n<th", "ink>", "hm", "</th", "ink> "] {
            draft.push(piece).expect("short");
            assert!(!draft.has_begun(), "{piece}");
        }

        draft.push("{").expect("short");

        assert!(draft.has_begun());
    }

    #[test]
    fn a_line_break_inside_a_string_is_forgiven() {
        assert_eq!(found("{\"message\":\"a\nb\"}", 4).as_deref(), Some("a b"));
    }

    #[test]
    fn text_without_an_object_holds_no_answer() {
        assert_eq!(found("Leave the building.", 5), None);
        assert_eq!(found("<think>{\"message\":\"a\"}", 5), None);
    }

    #[test]
    fn a_reply_without_end_is_bounded() {
        let mut draft = Draft::default();
        let piece = "x".repeat(1024);

        let n_pieces = (0..100).take_while(|_| draft.push(&piece).is_ok()).count();

        assert_eq!(n_pieces, 64);
    }
}
