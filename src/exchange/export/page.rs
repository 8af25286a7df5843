//! One call as a page to print: HTML that needs nothing from elsewhere, or Markdown.
//!
//! The one idea: both show the same lines, who it was about first and then what was said and done
//! in the order of time. What comes from outside is only ever text, whatever marks it holds.

use std::fmt;
use std::io::{self, Write};

use crate::domain::{Call, Label, Message, Role, Source, Timestamp};
use crate::readers::archive::{Deed, WholeCall};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin-bottom: 2rem; }
th { text-align: left; padding: .15rem 1.5rem .15rem 0; vertical-align: top; font-weight: 600; }
td { padding: .15rem 0; overflow-wrap: anywhere; white-space: pre-line; }
ol { list-style: none; padding: 0; }
li { margin: 0 0 1rem; padding-left: .75rem; border-left: 3px solid #8888; break-inside: avoid; }
li.user { border-color: #c60; } li.admin { border-color: #06c; }
li.done { border-left-style: dotted; font-style: italic; }
li p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
li .about { font-size: .8rem; opacity: .8; }
@media print { body { font-size: 11pt; margin: 0; max-width: none; } a { color: inherit; } }
";

/// Something that happened in the call.
enum Moment<'a> {
    Said(&'a Message),
    Done(&'a Deed),
}

impl Moment<'_> {
    fn at(&self) -> Timestamp {
        match self {
            Self::Said(it) => it.timestamp,
            Self::Done(it) => it.at,
        }
    }
}

pub fn html(whole: &WholeCall, out: &mut impl Write) -> io::Result<()> {
    let title = Html(&title(&whole.call)).to_string();
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<table>\n"
    )?;
    for (name, value) in about(whole) {
        writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", Html(&value))?;
    }
    writeln!(out, "</table>\n<ol>")?;
    for moment in moments(whole) {
        let at = moment.at();
        match moment {
            Moment::Said(it) => writeln!(
                out,
                "<li class=\"{}\"><div class=\"about\"><strong>{}</strong> \
                 <time datetime=\"{at}\">{at}</time>{}</div><p dir=\"auto\">{}</p></li>",
                it.role.as_str(),
                speaker(it.role),
                Html(&rests_on(it)),
                Html(&it.content)
            )?,
            Moment::Done(it) => writeln!(
                out,
                "<li class=\"done\"><div class=\"about\"><time datetime=\"{at}\">{at}</time></div>\
                 <p>{}</p></li>",
                Html(&deed(it))
            )?,
        }
    }
    writeln!(out, "</ol>\n</body>\n</html>")
}

pub fn markdown(whole: &WholeCall, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}\n", Markdown(&title(&whole.call)))?;
    writeln!(out, "| | |\n|---|---|")?;
    for (name, value) in about(whole) {
        writeln!(out, "| {name} | {} |", Markdown(&value))?;
    }
    for moment in moments(whole) {
        let at = moment.at();
        match moment {
            Moment::Said(it) => writeln!(
                out,
                "\n**{}** {at}{}\n\n> {}",
                speaker(it.role),
                Markdown(&rests_on(it)),
                Markdown(&it.content)
            )?,
            Moment::Done(it) => writeln!(out, "\n*{at} {}*", Markdown(&deed(it)))?,
        }
    }
    Ok(())
}

fn title(call: &Call) -> String {
    format!("Call from {}, {}", call.caller, call.started_at)
}

/// The head of the page: names and values.
fn about(whole: &WholeCall) -> Vec<(&'static str, String)> {
    let call = &whole.call;
    let mut lines = vec![
        ("Call", call.id.to_string()),
        ("Caller", call.caller.to_string()),
        ("Worker", call.worker_id.to_string()),
        ("Urgency", call.urgency.to_string()),
        ("Status", call.status.as_str().to_owned()),
        ("Medium", call.medium.as_str().to_owned()),
        ("Began", call.started_at.to_string()),
        ("Last message", call.last_message_at.to_string()),
    ];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|it| (name, it)));
    add("Ended", call.ended_at.map(|it| it.to_string()));
    add("Reason of the end", call.end_reason.map(|it| it.as_str().replace('_', " ")));
    add("Language", call.language.as_ref().map(|it| it.to_string()));
    add("Provider's name", call.call_sid.as_ref().map(|it| it.to_string()));
    add("Held by", call.admin_id.as_ref().map(|it| it.to_string()));
    let took_part = Some(whole.supervisors.join(", ")).filter(|it| !it.is_empty());
    add("Supervisors", took_part);
    add("Deleted", call.deleted_at.map(|it| it.to_string()));
    add("Legal hold", call.legal_hold.then(|| "yes".to_owned()));
    add("Notes", call.admin_notes.as_ref().map(|it| it.to_string()));
    add("Done in the end", call.final_action.as_ref().map(|it| it.to_string()));
    let is_cut = "the beginning is not in the archive: its records were gone when it was made";
    add("Note", whole.is_cut.then(|| is_cut.to_owned()));
    add("Messages", Some(call.messages.len().to_string()));
    lines
}

/// What was said keeps its order, whatever the clocks were; what was done goes between by time.
fn moments(whole: &WholeCall) -> Vec<Moment<'_>> {
    let mut actions = whole.actions.iter().peekable();
    let mut moments = Vec::with_capacity(whole.call.messages.len() + whole.actions.len());
    for message in &whole.call.messages {
        while let Some(action) = actions.next_if(|it| it.at < message.timestamp) {
            moments.push(Moment::Done(action));
        }
        moments.push(Moment::Said(message));
    }
    moments.extend(actions.map(Moment::Done));
    moments
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::User => "Caller",
        Role::Assistant => "Aurora",
        Role::Admin => "Supervisor",
        Role::System => "Notice",
    }
}

fn rests_on(message: &Message) -> String {
    let sources = Some(&*message.sources).filter(|it| !it.is_empty());
    let by = message.answered_by.map(|it| it.as_str());
    let place = (!message.source().is_here()).then_some("in Firebase");
    let person = message.by.as_ref().map(Label::as_str);
    let known: Vec<&str> = person.into_iter().chain(place).chain(by).chain(sources).collect();
    if known.is_empty() { String::new() } else { format!(" · {}", known.join(", ")) }
}

fn deed(action: &Deed) -> String {
    let value = action.value.as_deref().unwrap_or_default();
    let text = |name: &str| match value {
        "" => format!("{name} taken away"),
        text => format!("{name} became: {text}"),
    };
    let what = match action.what.as_str() {
        "urgency" => format!("Urgency became {value}"),
        "takeover" => format!("Taken over by {value}"),
        "handback" => "Handed back to Aurora".to_owned(),
        "legal_hold" => format!("Legal hold {value}"),
        "end" => format!("Ended: {}", value.replace('_', " ")),
        "deleted" => "Deleted".to_owned(),
        "restored" => "Restored".to_owned(),
        "admin_notes" => text("Notes"),
        "final_action" => text("What was done in the end"),
        "conflict" => format!("Changed on both sides: {value}"),
        "conflict_restored" => "What had not been kept was put back".to_owned(),
        "conflict_settled" => "What had been kept was left".to_owned(),
        other => format!("{other} {value}"),
    };
    let is_elsewhere = action.source.as_deref() == Some(Source::Firebase.as_str());
    match (&action.by, is_elsewhere) {
        (Some(by), false) => format!("{what} (by {by})"),
        (Some(by), true) => format!("{what} (by {by}, in Firebase)"),
        (None, true) => format!("{what} (in Firebase)"),
        (None, false) => what,
    }
}

/// Text in HTML, in an element or an attribute.
struct Html<'t>(&'t str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

/// Text on one line of Markdown: no mark of it is one.
struct Markdown<'t>(&'t str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        // These mean something at the beginning of a line, the last two after digits.
        let n_digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let first = self.0[n_digits..].chars().next().filter(|it| {
            if n_digits == 0 {
                matches!(it, '#' | '+' | '-' | '=')
            } else {
                matches!(it, '.' | ')')
            }
        });
        self.0.char_indices().try_for_each(|(at, c)| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            c if c.is_control() => f.write_char(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' => write!(f, "\\{c}"),
            c if at == n_digits && first.is_some() => write!(f, "\\{c}"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_text() {
        let said = "<script>alert('x & \"y\"')</script>";
        assert_eq!(
            Html(said).to_string(),
            "&lt;script&gt;alert(&#39;x &amp; &quot;y&quot;&#39;)&lt;/script&gt;"
        );
        for (said, written) in [
            ("[a](b) *c* | `d` <i>", "\\[a\\](b) \\*c\\* \\| \\`d\\` &lt;i&gt;"),
            ("# a - b", "\\# a - b"),
            ("---", "\\---"),
            ("12. a 3. b", "12\\. a 3. b"),
            ("+15550100, 1.5", "\\+15550100, 1.5"),
            ("\\#", "\\\\#"),
        ] {
            assert_eq!(Markdown(said).to_string(), written);
        }
    }
}
