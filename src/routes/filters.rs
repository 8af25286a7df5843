//! What people ask of the past: the parameters of the history and of the search.
//!
//! The one idea: a question that is not understood is refused with what is wrong. A filter that is
//! misspelt and silently ignored would show calls that were not asked for.

use actix_web::HttpRequest;

use super::error::ApiError;
use crate::domain::{BadText, CallStatus, Label, PhoneNumber, Timestamp, Urgency, clean};
use crate::readers::archive::{CallerFilter, Deleted, Filters, Query, StatusFilter, SyntaxError};

const MAX_LIMIT: usize = 200;
const USUAL_LIMIT: usize = 50;
/// Longest name of a worker, in bytes.
const MAX_WORKER: usize = 256;

/// What every question may hold, besides words.
const KNOWN: [&str; 11] = [
    "limit",
    "cursor",
    "from",
    "to",
    "urgency",
    "status",
    "caller",
    "worker",
    "supervisor",
    "zone",
    "deleted",
];

/// How much of a list is asked for at a time.
///
/// # Errors
/// [`ApiError::Invalid`]
pub fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(USUAL_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(invalid(format!("`limit` must be a number from 1 to {MAX_LIMIT}")))
}

/// The parameters of one request.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them; each is `words` or one of [`KNOWN`], and stands there once.
    ///
    /// # Errors
    /// [`ApiError::BadRequest`], [`ApiError::Invalid`]
    pub fn of(request: &HttpRequest, words: &'static str) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(request.query_string())
            .map_err(|_| {
                ApiError::BadRequest("the query after the path cannot be read".to_owned())
            })?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if name != words && !KNOWN.contains(&name.as_str()) {
                let (name, known) = (name.chars().take(40).collect::<String>(), KNOWN.join(", "));
                return Err(invalid(format!(
                    "`{name}` is no parameter here; there are {words}, {known}"
                )));
            }
            if pairs[..place].iter().any(|it| it.0 == *name) {
                return Err(invalid(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// Not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|it| it.0 == name)?;
        Some(found.1.as_str()).filter(|it| !it.trim().is_empty())
    }

    pub fn cursor(&self) -> Option<String> {
        self.get("cursor").map(str::to_owned)
    }

    pub fn limit(&self) -> Result<usize, ApiError> {
        // What is no number is none that may be.
        limit(self.get("limit").map(|it| it.parse().unwrap_or(0)))
    }

    /// All but the words of a search.
    pub fn filters(&self, usual_status: StatusFilter) -> Result<Filters, ApiError> {
        let status = match self.get("status") {
            None => usual_status,
            Some(text) => status(text)?,
        };
        let filters = Filters {
            from: self.time("from")?,
            to: self.time("to")?,
            urgencies: self.get("urgency").map_or(Ok(Vec::new()), urgencies)?,
            caller: self.get("caller").map(caller).transpose()?,
            worker: self.get("worker").map(worker).transpose()?,
            supervisor: self
                .get("supervisor")
                .map(Label::parse)
                .transpose()
                .map_err(|err| invalid(format!("`supervisor` {err}")))?,
            zone: self.query("zone", Query::phrase)?,
            text: self.query("text", Query::parse)?,
            deleted: self.get("deleted").map_or(Ok(Deleted::Without), deleted)?,
            ..Filters::new(status)
        };
        match (filters.from, filters.to) {
            (Some(from), Some(to)) if from >= to => {
                Err(invalid("`from` must be earlier than `to`".to_owned()))
            }
            _ => Ok(filters),
        }
    }

    /// The words of a search.
    pub fn words(&self) -> Result<Query, ApiError> {
        Query::parse(self.get("q").unwrap_or_default())
            .map_err(|source| ApiError::Query { parameter: "q", source })
    }

    fn query(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<Query, SyntaxError>,
    ) -> Result<Option<Query>, ApiError> {
        let found = self.get(name).map(read).transpose();
        found.map_err(|source| ApiError::Query { parameter: name, source })
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // A `+` that was not encoded has become a blank.
        let time = text.trim().replace(' ', "+").parse();
        time.map(Some)
            .map_err(|_| invalid(format!("`{name}` must be a time such as 2026-11-20T12:00:00Z")))
    }
}

fn invalid(detail: String) -> ApiError {
    ApiError::Invalid(detail)
}

fn status(text: &str) -> Result<StatusFilter, ApiError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "ended" => Ok(StatusFilter::Only(CallStatus::Ended)),
        "active" => Ok(StatusFilter::Only(CallStatus::Active)),
        "takeover" => Ok(StatusFilter::Only(CallStatus::Takeover)),
        "open" => Ok(StatusFilter::Open),
        "any" => Ok(StatusFilter::Any),
        _ => Err(invalid("`status` must be ended, active, takeover, open or any".to_owned())),
    }
}

/// In an order and without repetition: the same question has one spelling.
fn urgencies(text: &str) -> Result<Vec<Urgency>, ApiError> {
    let found: Option<Vec<_>> = text.split(',').map(Urgency::parse).collect();
    let mut found = found.ok_or_else(|| {
        invalid("`urgency` must be critical, urgent, normal or several with commas".to_owned())
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn caller(text: &str) -> Result<CallerFilter, ApiError> {
    let wrong = |err: BadText| invalid(format!("`caller` {err}"));
    match text.trim_end().strip_suffix('*') {
        None => PhoneNumber::parse(text).map(CallerFilter::Is).map_err(wrong),
        Some(beginning) => {
            let beginning = PhoneNumber::parse(beginning).map_err(wrong)?;
            Ok(CallerFilter::StartsWith(beginning.as_str().to_owned()))
        }
    }
}

fn worker(text: &str) -> Result<String, ApiError> {
    let text = clean(text);
    if text.len() > MAX_WORKER {
        return Err(invalid(format!("`worker` is longer than {MAX_WORKER} bytes")));
    }
    Ok(text.into_owned())
}

fn deleted(text: &str) -> Result<Deleted, ApiError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "only" => Ok(Deleted::Only),
        "with" => Ok(Deleted::With),
        "without" => Ok(Deleted::Without),
        _ => Err(invalid("`deleted` must be only, with or without".to_owned())),
    }
}
