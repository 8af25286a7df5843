//! Words as the index cuts them, closely enough to count them.
//!
//! The index itself decides what is found and what is highlighted. This only weighs finds against
//! each other, so a letter that is folded differently costs a place in the order, not a find.

/// The words of a text, in small letters without their accents.
pub fn of(text: &str) -> impl Iterator<Item = String> {
    text.split(|c| !is_letter(c)).filter(|it| it.contains(char::is_alphanumeric)).map(folded)
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_accent(c)
}

fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c)
}

fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.chars().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase).map(bare).collect()
}

/// A letter of the Latin alphabets without its accent.
fn bare(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn signs_part_words_and_accents_go() {
        let words = |text| of(text).collect::<Vec<_>>();
        assert_eq!(words("Valve-3 (hot!) 12:30"), ["valve", "3", "hot", "12", "30"]);
        assert_eq!(words("Há INCÊNDIO e\u{301}t Šárka"), ["ha", "incendio", "et", "sarka"]);
        assert_eq!(words(" 🔥 … \u{301} "), [""; 0]);
        assert_eq!(words("пожар 火事 حريق"), ["пожар", "火事", "حريق"]);
    }
}
