//! Text as models write it to text as a voice can read it: no markup, whole sentences, not long.

/// Longest text that is spoken: about 40 seconds.
pub const MAX_SPOKEN_CHARS: usize = 600;

/// Words that end with a full stop inside a sentence.
const ABBREVIATIONS: [&str; 16] = [
    "dr", "mr", "mrs", "ms", "prof", "st", "no", "nr", "ext", "bldg", "approx", "vs", "e.g", "i.e",
    "z.b", "bzw",
];

/// Takes the markup away; lines and list items become sentences.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut is_list = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("```") || line.chars().all(|it| "-=*_|:# ".contains(it)) {
            continue;
        }
        let (line, is_item) = without_bullet(line);
        let line = plain(line);
        if line.is_empty() {
            continue;
        }
        if !cleaned.is_empty() {
            let ended = cleaned.ends_with(is_end) || cleaned.ends_with([':', ',', ';']);
            if !ended && (is_item || is_list || line.starts_with(char::is_uppercase)) {
                cleaned.push('.');
            }
            cleaned.push(' ');
        }
        cleaned.push_str(&line);
        is_list = is_item;
    }
    cleaned
}

/// As many whole sentences as fit; none if not even the first does.
///
/// A text that is complete may lack its last full stop. Of one that `is_cut` only what is surely
/// a sentence counts: its end is followed by more, since `3.` may be the beginning of `3.5`.
pub fn whole_sentences(text: &str, is_cut: bool) -> Option<&str> {
    let text = text.trim();
    if !is_cut && text.chars().count() <= MAX_SPOKEN_CHARS {
        return Some(text).filter(|it| it.contains(char::is_alphanumeric));
    }
    let mut last_end = None;
    let mut chars = text.char_indices().enumerate().peekable();
    while let Some((n, (at, char))) = chars.next() {
        if n >= MAX_SPOKEN_CHARS {
            break;
        }
        let next = chars.peek().map(|(_, (_, next))| *next);
        let ends = match char {
            '。' | '！' | '？' | '।' => true,
            // A closing quote belongs to the sentence that it ends.
            '"' | '”' | '»' | ')' => {
                text[..at].ends_with(is_end) && next.is_some_and(char::is_whitespace)
            }
            '.' if is_abbreviation(&text[..at]) => false,
            _ => is_end(char) && next.map_or(!is_cut, char::is_whitespace),
        };
        if ends {
            last_end = Some(at + char.len_utf8());
        }
    }
    last_end.map(|end| text[..end].trim()).filter(|it| it.contains(char::is_alphanumeric))
}

fn is_end(char: char) -> bool {
    matches!(char, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟')
}

fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(|it: char| !it.is_alphanumeric()).to_lowercase();
    ABBREVIATIONS.contains(&word.as_str())
}

/// The line without `-`, `*`, `•`, `1.`, `2)`, `>` and `#` at its start, and whether it is an item.
fn without_bullet(line: &str) -> (&str, bool) {
    let line = line.trim_start_matches(['#', '>', ' ']);
    for bullet in ["- ", "* ", "+ ", "• ", "– ", "— "] {
        if let Some(item) = line.strip_prefix(bullet) {
            return (item.trim_start(), true);
        }
    }
    let rest = line.trim_start_matches(|it: char| it.is_ascii_digit());
    if (1..=2).contains(&(line.len() - rest.len())) {
        for mark in [". ", ") "] {
            if let Some(item) = rest.strip_prefix(mark) {
                return (item.trim_start(), true);
            }
        }
    }
    (line, false)
}

/// One line without links, tags, emphasis and signs that have no sound; single spaces.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        let skipped = match char {
            '<' => tag_len(rest),
            // Of `[words](address)` the words are left.
            ']' if rest.starts_with("](") => end_within(rest, ')', 500),
            _ => None,
        };
        match char {
            '*' | '`' | '_' | '~' | '#' | '[' | ']' | '{' | '}' | '\\' => {}
            '|' | '<' | '>' => text.push(' '),
            it if it.is_whitespace() => text.push(' '),
            it if is_silent(it) => {}
            it => text.push(it),
        }
        rest = &rest[skipped.unwrap_or(char.len_utf8())..];
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Length of the tag at the start: a letter or slash follows the bracket, and it is closed soon.
fn tag_len(text: &str) -> Option<usize> {
    let second = text.chars().nth(1)?;
    let is_tag = second == '/' || second.is_ascii_alphabetic();
    end_within(text, '>', 100).filter(|_| is_tag)
}

/// Where the text ends that `last` closes, if that is within so many characters.
fn end_within(text: &str, last: char, n_chars: usize) -> Option<usize> {
    let mut chars = text.char_indices().take(n_chars);
    chars.find(|(_, it)| *it == last).map(|(at, it)| at + it.len_utf8())
}

/// Emoji, pictures, arrows, boxes, and what only steers the layout.
fn is_silent(char: char) -> bool {
    char.is_control()
        || matches!(u32::from(char),
            0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF | 0x20E3
            | 0x2190..=0x2BFF | 0x3030 | 0x303D | 0xFE00..=0xFE0F | 0xFFF0..=0xFFFF
            | 0xE000..=0xF8FF | 0x1F000..=0x1FAFF | 0xE0000..=0x10FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_not_read_aloud() {
        for (written, spoken) in [
            ("**Leave** the `hall` _now_! 🚨🔥", "Leave the hall now!"),
            ("# Fire\nGo out.", "Fire. Go out."),
            ("Do this:\n- close doors\n- go out", "Do this: close doors. go out"),
            ("1. Close it.\n2) Go out.", "Close it. Go out."),
            ("See [the plan](https://x.y/z) now.", "See the plan now."),
            ("<b>Go</b> out <br/>now. 3 < 4", "Go out now. 3 4"),
            ("```\nGo out.\n```", "Go out."),
            ("| a | b |\n|---|---|", "a b"),
            ("Go\u{200b} out,\nplease.", "Go out, please."),
            ("Приём. 请离开。 ¿Está bien?", "Приём. 请离开。 ¿Está bien?"),
        ] {
            assert_eq!(clean(written), spoken);
        }
    }

    #[test]
    fn only_sentences_that_are_surely_whole_are_taken_from_a_cut_text() {
        for (text, whole) in [
            ("Leave now. Close the", Some("Leave now.")),
            ("Leave now. Take 3.", Some("Leave now.")),
            ("Ask Dr. Smith", None),
            ("He said \"go.\" Then", Some("He said \"go.\"")),
            ("请离开。快", Some("请离开。")),
            ("Leave the", None),
            ("... ", None),
        ] {
            assert_eq!(whole_sentences(text, true), whole, "{text}");
        }
    }

    #[test]
    fn a_long_text_ends_with_a_sentence() {
        let sentence = "Stay calm and wait. ";
        let long = sentence.repeat(100);

        let spoken = whole_sentences(&long, false).expect("sentences fit");

        assert!(spoken.chars().count() <= MAX_SPOKEN_CHARS);
        assert!(spoken.ends_with("wait."));
        assert_eq!(whole_sentences(&"x".repeat(601), false), None);
        assert_eq!(whole_sentences("Where are you", false), Some("Where are you"));
    }
}
