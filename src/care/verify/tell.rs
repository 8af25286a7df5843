//! The report as text.

use std::fmt;

use super::report::Report;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            let state = if part.problems.is_empty() { "good" } else { "PROBLEM" };
            writeln!(f, "{:<22} {state:<8} {}", part.part, part.summary)?;
            for it in &part.problems {
                write!(f, "  {}", it.file.display())?;
                if let Some(line) = it.line {
                    write!(f, " line {line}")?;
                }
                writeln!(f, ": {}", it.what)?;
                writeln!(f, "    do: {}", it.todo)?;
            }
            for note in &part.notes {
                writeln!(f, "  note: {note}")?;
            }
        }
        let last = if self.good { "All is well." } else { "Not all is well." };
        writeln!(f, "{last} Head of the hash chain: {}", self.chain_head)
    }
}
