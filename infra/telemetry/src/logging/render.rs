use std::fmt::Write as _;

use serde::Serializer as _;
use serde_json::Value;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use tracing::Level;

use super::line::Line;

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Renderer {
    Json,
    Pretty(Colour),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Colour {
    None,
    Ansi,
}

impl Renderer {
    /// Returns the line with its line feed.
    pub(super) fn render(self, line: &Line) -> Vec<u8> {
        match self {
            Self::Json => json(line),
            Self::Pretty(colour) => pretty(line, colour).into_bytes(),
        }
    }
}

fn json(line: &Line) -> Vec<u8> {
    let mut members: Vec<(&str, Value)> = vec![
        (
            "timestamp",
            Value::from(line.timestamp.format(&Rfc3339).unwrap_or_default()),
        ),
        ("level", Value::from(line.level.as_str())),
        ("target", Value::from(line.target.as_str())),
        ("message", Value::from(line.message.as_str())),
    ];
    if let Some(request) = &line.request {
        members.push(("trace.id", Value::from(request.trace_id().to_string())));
        members.push(("request.id", Value::from(request.request_id().as_str())));
    }
    let own = members.len();
    for (name, value) in &line.fields {
        // A field cannot pass for one of the members above.
        if members[..own].iter().all(|(taken, _)| taken != name) {
            members.push((name, value.clone()));
        }
    }
    let mut out = Vec::with_capacity(256);
    // Strings, numbers and booleans under string keys, written to memory: nothing of it can fail.
    let _ = serde_json::Serializer::new(&mut out).collect_map(members);
    out.push(b'\n');
    out
}

const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");

fn pretty(line: &Line, colour: Colour) -> String {
    let mut out = String::with_capacity(160);
    paint(
        &mut out,
        colour,
        DIM,
        &line.timestamp.format(CLOCK).unwrap_or_default(),
    );
    out.push(' ');
    paint(
        &mut out,
        colour,
        level_colour(line.level),
        &format!("{:>5}", line.level.as_str()),
    );
    out.push(' ');
    push_printable(&mut out, &line.message);
    for (name, value) in &line.fields {
        out.push(' ');
        paint(&mut out, colour, DIM, name);
        paint(&mut out, colour, DIM, "=");
        match value {
            Value::String(text) => push_printable(&mut out, text),
            other => push_printable(&mut out, &other.to_string()),
        }
    }
    if let Some(request) = &line.request {
        paint(
            &mut out,
            colour,
            DIM,
            &format!(" request={}", request.request_id()),
        );
    }
    paint(&mut out, colour, DIM, &format!(" [{}]", line.target));
    out.push('\n');
    out
}

const DIM: u8 = 2;

fn level_colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

fn paint(out: &mut String, colour: Colour, code: u8, text: &str) {
    match colour {
        Colour::None => out.push_str(text),
        Colour::Ansi => {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
        }
    }
}

/// Escapes control characters: what a client sent can neither start a line of its own nor move the cursor.
fn push_printable(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}
