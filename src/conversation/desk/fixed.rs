//! The sentences that need neither card nor model nor disk.

/// When nothing else can answer. True in every situation: it promises nothing.
pub const FALLBACK: &str = "I hear you. If anyone is in danger, move to a safe place and call \
the emergency services now. Stay on the line and tell me where you are and what has happened.";

/// How an opened call begins.
pub const GREETING: &str = "This is Aurora, the help line. Tell me where you are and what has \
happened. If you cannot speak, press 1 for an emergency or 2 for another problem.";

/// Nothing was understood.
pub const REPEAT: &str = "I did not hear anything. Please say again where you are and what has \
happened, or press 1 if this is an emergency.";

/// What was recognised is too uncertain to act on.
pub const UNCLEAR: &str = "I am not sure that I heard you right. Please say it once more, slowly: \
where are you, and what has happened?";

/// While a supervisor holds the call and has said nothing new.
pub const HELD: &str = "A supervisor is on the line with you. Please stay on the line and go on \
speaking.";

pub const GOODBYE: &str = "This call ends now. Call again at any time. Goodbye.";

pub const GOODBYE_SILENCE: &str = "I have not heard anything for a while, so this call ends now. Call again at any time. Goodbye.";

pub const GOODBYE_LIMIT: &str = "I have written down everything you said. This call has become \
very long and ends now. Call again at any time. Goodbye.";

/// What a pressed key says: the words that are stored, and that triage rates.
pub fn keypad(digits: &str) -> String {
    match digits {
        "1" => "Pressed 1 on the keypad: this is an emergency.".to_owned(),
        "2" => "Pressed 2 on the keypad: urgent problem.".to_owned(),
        other => format!("Pressed {other} on the keypad."),
    }
}
