//! Where a call stands in the provider's eyes.

/// `CallStatus` of a webhook.
///
/// Callbacks may arrive out of order: a status that is not final never replaces one that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallStatus {
    Queued,
    Initiated,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
    /// A word that the provider did not use when this was written. Not final.
    Other,
}

impl CallStatus {
    /// Reads the provider's word; an unknown one is [`CallStatus::Other`], never an error.
    pub fn parse(text: &str) -> Self {
        const WORDS: [(&str, CallStatus); 10] = [
            ("queued", CallStatus::Queued),
            ("initiated", CallStatus::Initiated),
            ("ringing", CallStatus::Ringing),
            ("in-progress", CallStatus::InProgress),
            // The word of the event for which an answered call is asked.
            ("answered", CallStatus::InProgress),
            ("completed", CallStatus::Completed),
            ("busy", CallStatus::Busy),
            ("failed", CallStatus::Failed),
            ("no-answer", CallStatus::NoAnswer),
            ("canceled", CallStatus::Canceled),
        ];
        WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()))
            .map_or(Self::Other, |&(_, status)| status)
    }

    /// The call is over, and no later request of it will come.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_words_end_a_call_and_no_other() {
        for word in ["completed", "busy", "failed", "no-answer", "canceled"] {
            assert!(CallStatus::parse(word).is_final(), "{word}");
        }
        for word in ["queued", "initiated", "ringing", "in-progress", "answered", "", "paused"] {
            assert!(!CallStatus::parse(word).is_final(), "{word}");
        }
    }
}
