//! The log: sentences with fields, to standard error. What callers say, phone numbers and secrets
//! never go in; ids and sequences find them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging as `filter` (`RUST_LOG`) says; `info` if it is unset.
///
/// # Errors
/// If the filter cannot be read.
pub fn init(filter: Option<&str>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter.unwrap_or("info,gcp_auth=error"))
        .map_err(|err| anyhow::anyhow!("RUST_LOG: {err}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Or a standard error that is full or closed would be complained of there, which ends us.
        .log_internal_errors(false)
        .try_init()
        .map_err(|err| anyhow::anyhow!("the log is started already: {err}"))
}
