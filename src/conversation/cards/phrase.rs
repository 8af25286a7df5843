//! A phrase that calls a card: whole words in order, in any case.

/// Words in lower case; at least one.
#[derive(Debug)]
pub(super) struct Phrase(Vec<Box<str>>);

impl Phrase {
    /// `None` when there is no word in it.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<Box<str>> = words(text).map(|it| it.to_lowercase().into()).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Whether the words occur in the speech, one after the other. Allocates nothing.
    pub fn is_in(&self, speech: &str) -> bool {
        let mut rest = words(speech);
        loop {
            let mut here = rest.clone();
            let mut is_next = |word: &str| here.next().is_some_and(|said| is_same(said, word));
            if self.0.iter().all(|it| is_next(it)) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    let between = |it: char| !it.is_alphanumeric() && it != '\'';
    text.split(between).filter(|it| !it.is_empty())
}

fn is_same(said: &str, lower: &str) -> bool {
    said.chars().flat_map(char::to_lowercase).eq(lower.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_order_are_found_in_any_case() {
        let phrase = Phrase::parse("Line six  is down!").expect("it has words");

        assert!(phrase.is_in("help, LINE SIX is down again"));
        assert!(phrase.is_in("line line six, is down"));
        for other in ["", "line six is", "pipeline six is down", "six line is down"] {
            assert!(!phrase.is_in(other), "{other}");
        }
        assert!(Phrase::parse("").is_none() && Phrase::parse(" ,.! ").is_none());
        assert!(Phrase::parse("ÄRGER").is_some_and(|it| it.is_in("so ein Ärger")));
    }
}
