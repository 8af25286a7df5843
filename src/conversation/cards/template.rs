//! A spoken text with slots: `Leave now[ and go to {assembly_point}].`
//!
//! # Promises
//! - What comes out has no braces, brackets, double blanks or blanks before punctuation, whatever
//!   the site has or lacks.
//! - Digits come from slots alone, so that no card can say a number which is not the site's.

/// Fills the slots. A part in square brackets falls out when a slot in it has no value.
///
/// `slot` gives the value of a slot: `Err` with the problem when there is no such slot, `None`
/// when the site does not say.
///
/// # Errors
/// The problem, as the end of a sentence that begins with the field's name.
pub(super) fn fill<'s>(
    template: &str,
    slot: impl Fn(&str) -> Result<Option<&'s str>, String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut literal = String::new();
    // Where the optional part began in `out`, and whether a slot in it is missing.
    let mut optional: Option<(usize, bool)> = None;
    let mut rest = template;
    while let Some(at) = rest.find(['[', ']', '{', '}']) {
        out.push_str(&rest[..at]);
        literal.push_str(&rest[..at]);
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match (mark, optional) {
            (b'[', None) => optional = Some((out.len(), false)),
            (b'[', Some(_)) => return Err("has a [ inside another [; close the first".into()),
            (b']', Some((start, missing))) => {
                if missing {
                    out.truncate(start);
                }
                optional = None;
            }
            (b']', None) => return Err("has a ] without a [".into()),
            (b'{', _) => {
                let (name, after) =
                    rest.split_once('}').ok_or("has a { without a }; a slot is written {name}")?;
                rest = after;
                match (slot(name.trim())?, &mut optional) {
                    (Some(value), _) => {
                        out.push_str(value);
                        // The value stands between the digits on its sides.
                        literal.push('\u{0}');
                    }
                    (None, Some((_, missing))) => *missing = true,
                    (None, None) => {
                        return Err(format!(
                            "needs {{{name}}}, which [site] does not give; \
                             add it there, or put this part in [square brackets]"
                        ));
                    }
                }
            }
            _ => return Err("has a } without a {".into()),
        }
    }
    if optional.is_some() {
        return Err("has a [ without a ]".into());
    }
    out.push_str(rest);
    literal.push_str(rest);
    check_numbers(&literal)?;
    Ok(tidy(&out))
}

/// Single blanks, none before punctuation, and a full stop where the sentence has no end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for word in text.split_whitespace() {
        if !out.is_empty() && !word.starts_with(['.', ',', ';', ':', '!', '?']) {
            out.push(' ');
        }
        out.push_str(word);
    }
    if !out.is_empty() && !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

/// Refuses what could be heard as a number to call: three digits in a row, also with blanks and
/// hyphens between, also in words.
fn check_numbers(literal: &str) -> Result<(), String> {
    let problem = |number: &str| {
        format!(
            "contains the number `{}`; put numbers to call into [site] and use \
             {{emergency_number}} or {{extension:NAME}}, and write quantities in words",
            number.trim()
        )
    };
    let (mut start, mut n_digits) = (0, 0);
    for (at, it) in literal.char_indices() {
        if it.is_numeric() {
            if n_digits == 0 {
                start = at;
            }
            n_digits += 1;
            if n_digits == 3 {
                return Err(problem(&literal[start..at + it.len_utf8()]));
            }
        } else if !matches!(it, '-' | '.' | '/' | '(' | ')' | '+') && !it.is_whitespace() {
            n_digits = 0;
        }
    }

    const DIGITS: [&str; 11] =
        ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut in_a_row = 0;
    for word in literal.split(|it: char| !it.is_alphanumeric() && it != '\u{0}') {
        if word.is_empty() {
            continue;
        }
        let is_digit = DIGITS.iter().any(|it| it.eq_ignore_ascii_case(word));
        in_a_row = if is_digit { in_a_row + 1 } else { 0 };
        if in_a_row == 3 {
            return Err(problem(&format!("… {word}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(name: &str) -> Result<Option<&'static str>, String> {
        match name {
            "gate" => Ok(Some("gate 4")),
            "nurse" => Ok(None),
            _ => Err("no such slot".into()),
        }
    }

    #[test]
    fn slots_are_filled_and_optional_parts_fall_out() {
        for (template, spoken) in [
            ("Leave now[ and go to {gate}].", "Leave now and go to gate 4."),
            ("Leave now[ and see {nurse}].", "Leave now."),
            ("Leave now [and see {nurse}] .", "Leave now."),
            ("Leave [by {gate} to {nurse}] now", "Leave now."),
            ("[See {nurse}.] Go  to\n { gate }!", "Go to gate 4!"),
            ("[See {nurse}.]", ""),
        ] {
            assert_eq!(fill(template, slot).as_deref(), Ok(spoken), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for template in ["{nurse}", "{x}", "[{x}]", "a[b", "a]b", "{a", "a}", "[a[b]]", "{", "]"] {
            assert!(fill(template, slot).is_err(), "{template}");
        }
    }

    #[test]
    fn a_number_to_call_is_refused_however_it_is_written() {
        for template in [
            "Call 911.",
            "Call 9-1-1 now",
            "Call nine one one",
            "Call Nine, ONE, one",
            "Ring +1 (5) 5",
            "[Call 112 at {gate}]",
            "Ring ٩١١",
        ] {
            let problem = fill(template, slot).expect_err(template);
            assert!(problem.contains("contains the number"), "{problem}");
        }
        for template in ["Wait 10 minutes, 20 at most", "one or two", "Push 5 cm. 10 times"] {
            assert!(fill(template, slot).is_ok(), "{template}");
        }
    }

    proptest! {
        #[test]
        fn what_is_spoken_is_tidy(template in r"([a-z0-9 .,!?\[\]]|\{gate\}|\{nurse\}){0,60}|.{0,60}") {
            if let Ok(spoken) = fill(&template, slot) {
                let has_marks = spoken.contains(['[', ']', '{', '}']);
                prop_assert!(!has_marks, "{}", spoken);
                for wrong in ["  ", " .", " ,", " !", " ?"] {
                    prop_assert!(!spoken.contains(wrong), "{}", spoken);
                }
                prop_assert_eq!(spoken.trim(), &spoken);
            }
        }
    }
}
