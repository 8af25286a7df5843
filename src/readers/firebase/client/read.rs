//! Reading a value, of bounded size.

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use super::{Client, MAX_REDIRECTS, WriteError, no_answer, no_token, refusal};

impl Client {
    /// The value at `path`, whose keys are escaped; `query` narrows it. On 401 or 403 it renews the
    /// token and tries once more.
    ///
    /// # Errors
    /// As of a write; an answer of more than `max_bytes` is [`WriteError::Misconfigured`].
    pub async fn value(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
        max_bytes: usize,
    ) -> Result<Value, WriteError> {
        let mut read = self.value_once(path, query, max_bytes).await;
        if matches!(read, Err(WriteError::Credentials { .. })) && self.tokens.forget() {
            read = self.value_once(path, query, max_bytes).await;
        }
        read
    }

    async fn value_once(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
        max_bytes: usize,
    ) -> Result<Value, WriteError> {
        let token = self.tokens.header().await.map_err(no_token)?;
        let mut url = self.target.node(path);
        url.query_pairs_mut().extend_pairs(query);
        for _ in 0..=MAX_REDIRECTS {
            let request = self.http.get(url.clone()).header(AUTHORIZATION, token.clone());
            let mut answer = request.send().await.map_err(no_answer)?;
            match answer.status() {
                StatusCode::OK => {
                    let mut bytes = Vec::new();
                    while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
                        bytes.extend_from_slice(&piece);
                        if bytes.len() > max_bytes {
                            let reason = format!("{path} is larger than {max_bytes} bytes");
                            return Err(WriteError::Misconfigured { reason });
                        }
                    }
                    return serde_json::from_slice(&bytes).map_err(|err| {
                        WriteError::Misconfigured { reason: format!("{path} is not JSON: {err}") }
                    });
                }
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = self.redirected(&url, &answer)?;
                }
                status => return Err(refusal(status, answer).await),
            }
        }
        Err(WriteError::Misconfigured { reason: format!("more than {MAX_REDIRECTS} redirects") })
    }
}
