//! Web and e-mail addresses, written or spelled out.

const ENDINGS: [&str; 24] = [
    "com", "org", "net", "io", "dev", "app", "info", "gov", "edu", "int", "mil", "eu", "de", "uk",
    "us", "fr", "es", "it", "nl", "ch", "at", "co", "ai", "me",
];

/// Whether there is one.
pub fn any(text: &str) -> bool {
    let lower = text.to_lowercase();
    let spelled = ["://", "www.", "http", "dot com", "dot org", "dot net", "mailto"];
    spelled.iter().any(|it| lower.contains(it)) || lower.split_whitespace().any(is_address)
}

/// `a@b`, or `name.com` without a space; "now.Go" is a missing space.
fn is_address(token: &str) -> bool {
    let token = token.trim_matches(|it: char| !it.is_alphanumeric());
    if token.contains('@') {
        return true;
    }
    let host = token.split(['/', '?', ':']).next().unwrap_or_default();
    host.rsplit_once('.').is_some_and(|(name, ending)| {
        ENDINGS.contains(&ending) && name.chars().filter(|it| it.is_alphanumeric()).count() > 1
    })
}
