//! `aurora export`: calls out of the archive, for programs, spreadsheets and people.
//!
//! The one idea: one call is in memory at a time, and none is held in the archive while somebody
//! reads what was written: an export of any size may run beside a server for hours.

mod csv;
mod jsonl;
mod output;
mod page;
mod source;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use super::progress::Progress;
use super::{Interrupt, OpenError, Place};
use crate::domain::{CallId, PhoneNumber, Seq, Timestamp, Urgency};
use crate::readers::archive::{ArchiveError, Selection, WholeCall, WholeCalls};

use self::output::Output;

/// Rows that are looked up at a time.
const PAGE: u32 = 256;

/// Writes calls with all that was said in them, from the archive.
///
/// A server may run on the data folder meanwhile. Calls come in the order in which they began;
/// deleted ones are left out unless asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How it is written. JSON Lines: a call a line, with everything that is known of it. CSV: a
    /// message a line. HTML and Markdown: one call as a page to print, with --call.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Only this call.
    #[arg(long, value_name = "ID")]
    call: Option<CallId>,
    /// Only calls that began then or later: 2026-11-20 (midnight UTC) or 2026-11-20T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only calls that began before that.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only calls of that urgency: critical, urgent or normal; several separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = urgency)]
    urgency: Vec<Urgency>,
    /// Only calls from that number, exactly as it is kept.
    #[arg(long, value_name = "NUMBER")]
    caller: Option<PhoneNumber>,
    /// Deleted calls, too.
    #[arg(long)]
    deleted: bool,
    /// CSV with every cell exactly as it is. Without it, a cell that a spreadsheet would take for a
    /// formula (it begins with =, +, - or @) gets a ' before it; so do numbers such as '+15550100.
    #[arg(long)]
    raw: bool,
    /// Write to this file, for its owner alone, instead of standard output. It appears when it is
    /// whole.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Jsonl,
    Csv,
    Html,
    Markdown,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("there are no calls in {}: it is no data folder of Aurora", .path.display())]
    NoFolder { path: PathBuf },
    #[error("HTML and Markdown are pages of one call: say which with --call")]
    NoCall,
    #[error("--raw is for --format csv")]
    NotCsv,
    #[error("there is no call {0}")]
    NoSuchCall(CallId),
    #[error("call {0} was deleted; --deleted exports it all the same")]
    Deleted(CallId),
    #[error("{} is there already; --force replaces it", .path.display())]
    Exists { path: PathBuf },
    #[error("cannot {doing} {}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Write(io::Error),
    #[error(
        "the running server has archived {} of {head} records; the rest is under way: try again \
         in a while",
        .archived.unwrap_or(0)
    )]
    Behind { archived: Option<Seq>, head: Seq },
    #[error("interrupted; the export is not whole")]
    Interrupted,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Does it.
///
/// # Errors
/// [`ExportError`]. No error: whoever read standard output wanted no more of it.
pub fn run(options: &Options, place: &Place, interrupt: &Interrupt) -> Result<(), ExportError> {
    if options.raw && options.format != Format::Csv {
        return Err(ExportError::NotCsv);
    }
    let is_page = matches!(options.format, Format::Html | Format::Markdown);
    if is_page && options.call.is_none() {
        return Err(ExportError::NoCall);
    }
    let mut output = Output::open(options.output.as_deref(), options.force)?;
    let archive = source::open(place, interrupt)?;
    let written = match options.call {
        Some(id) => one(options, &archive, id, &mut output),
        None => many(options, &archive, interrupt, &mut output),
    };
    match written.and_then(|()| output.finish()) {
        Err(ExportError::Write(err)) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn one(
    options: &Options,
    archive: &WholeCalls,
    id: CallId,
    output: &mut Output,
) -> Result<(), ExportError> {
    let row = archive.row(id)?.ok_or(ExportError::NoSuchCall(id))?;
    let whole = archive.whole(row)?.ok_or(ExportError::NoSuchCall(id))?;
    if whole.call.deleted_at.is_some() && !options.deleted {
        return Err(ExportError::Deleted(id));
    }
    let written = match options.format {
        Format::Html => page::html(&whole, output),
        Format::Markdown => page::markdown(&whole, output),
        Format::Jsonl | Format::Csv => {
            begin(options, output).and_then(|()| write(options, &whole, output))
        }
    };
    written.map_err(|err| output.failed(err))
}

fn many(
    options: &Options,
    archive: &WholeCalls,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), ExportError> {
    let selection = Selection {
        from: options.from,
        to: options.to,
        urgency: options.urgency.clone(),
        caller: options.caller.clone(),
        with_deleted: options.deleted,
    };
    // Calls that begin while this runs are another export's.
    let n_all = archive.count(&selection)?;
    let (mut n_done, mut after) = (0, 0);
    let mut progress = Progress::new();
    begin(options, output).map_err(|err| output.failed(err))?;
    while n_done < n_all {
        let rows = archive.rows_after(&selection, after, PAGE)?;
        let Some(&last) = rows.last() else { break };
        after = last;
        for row in rows {
            if interrupt.is_set() {
                return Err(ExportError::Interrupted);
            }
            if let Some(whole) = archive.whole(row)? {
                write(options, &whole, output).map_err(|err| output.failed(err))?;
            }
            n_done += 1;
            progress.tell(|| format!("Exporting: {n_done} of {n_all} calls"));
        }
    }
    Ok(())
}

fn begin(options: &Options, out: &mut impl Write) -> io::Result<()> {
    if options.format == Format::Csv { csv::header(out) } else { Ok(()) }
}

fn write(options: &Options, whole: &WholeCall, out: &mut impl Write) -> io::Result<()> {
    match options.format {
        Format::Csv => csv::rows(whole, options.raw, out),
        _ => jsonl::line(whole, out),
    }
}

/// A time with its offset, or a day, which begins at midnight UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let is_day = text.len() == 10;
    let whole = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "not a time such as 2026-11-20 or 2026-11-20T12:00:00Z".to_owned())
}

fn urgency(text: &str) -> Result<Urgency, String> {
    Urgency::parse(text).ok_or_else(|| "not one of critical, urgent and normal".to_owned())
}
