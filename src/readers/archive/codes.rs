//! Words of the domain as the numbers in `archive.db`. A number is never given to another word.

use super::error::ArchiveError;
use crate::domain::{AnsweredBy, CallStatus, EndReason, Medium, Role, Urgency};

macro_rules! codes {
    ($to:ident, $from:ident, $word:ident, $($value:path = $code:literal),+) => {
        pub fn $to(word: $word) -> i64 {
            match word { $($value => $code),+ }
        }

        pub fn $from(code: i64) -> Result<$word, ArchiveError> {
            match code {
                $($code => Ok($value),)+
                _ => Err(ArchiveError::Impossible(
                    format!("{code} is no {}", stringify!($word)),
                )),
            }
        }
    };
}

codes!(
    of_urgency,
    urgency,
    Urgency,
    Urgency::Normal = 0,
    Urgency::Urgent = 1,
    Urgency::Critical = 2
);
codes!(
    of_status,
    status,
    CallStatus,
    CallStatus::Active = 0,
    CallStatus::Takeover = 1,
    CallStatus::Ended = 2
);
codes!(of_medium, medium, Medium, Medium::Voice = 0, Medium::Text = 1);
codes!(of_role, role, Role, Role::User = 0, Role::Assistant = 1, Role::Admin = 2, Role::System = 3);
codes!(
    of_answered_by,
    answered_by,
    AnsweredBy,
    AnsweredBy::Card = 0,
    AnsweredBy::Model = 1,
    AnsweredBy::Fallback = 2,
    AnsweredBy::Supervisor = 3
);

/// An end's reason stands in words.
pub fn end_reason(text: &str) -> Result<EndReason, ArchiveError> {
    const ALL: [EndReason; 6] = [
        EndReason::CallerHungUp,
        EndReason::HangUp,
        EndReason::Supervisor,
        EndReason::Inactivity,
        EndReason::Silence,
        EndReason::TurnLimit,
    ];
    ALL.into_iter()
        .find(|it| it.as_str() == text)
        .ok_or_else(|| ArchiveError::Impossible("an unknown reason of a call's end".to_owned()))
}
