use std::fmt::{self, Write as _};
use std::io::Write as _;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use tracing::Level;

use crate::request::RequestContext;

/// How lines look.
///
/// Everything is written to memory, so that no write can fail; what is returned by `write!` is left unread.
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

/// A value as it is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'v> {
    Text(&'v str),
    /// Text that is made while it is written.
    Words(fmt::Arguments<'v>),
    /// A number or a boolean, the same in JSON as for people.
    Bare(fmt::Arguments<'v>),
    Float(f64),
}

/// What the line says of itself, and no field may.
const OWN: [&str; 5] = ["timestamp", "level", "target", "trace.id", "request.id"];
const MESSAGE: &str = "message";

impl Renderer {
    /// Whether fields of this name are left out, so that none can pass for what the line says of itself.
    pub(super) fn keeps_for_itself(self, name: &str) -> bool {
        matches!(self, Self::Json) && OWN.contains(&name)
    }

    pub(super) fn begin(self, line: &mut Vec<u8>, at: OffsetDateTime, level: Level) {
        match self {
            Self::Json => {
                line.extend_from_slice(b"{\"timestamp\":\"");
                let _ = at.format_into(line, &Rfc3339);
                let _ = write!(line, "\",\"level\":\"{level}\"");
            }
            Self::Pretty(colour) => {
                colour.paint(
                    line,
                    DIM,
                    format_args!("{}", at.format(CLOCK).unwrap_or_default()),
                );
                line.push(b' ');
                colour.paint(line, level_colour(level), format_args!("{:>5}", level.as_str()));
            }
        }
    }

    pub(super) fn field(self, line: &mut Vec<u8>, name: &str, value: Scalar<'_>) {
        match self {
            Self::Json => {
                line.extend_from_slice(b",\"");
                let _ = Escaping(line).write_str(name);
                line.extend_from_slice(b"\":");
                json(line, value);
            }
            Self::Pretty(colour) => {
                line.push(b' ');
                if name != MESSAGE {
                    colour.paint(line, DIM, format_args!("{name}"));
                    colour.paint(line, DIM, format_args!("="));
                }
                pretty(line, value);
            }
        }
    }

    /// Ends the line, with its line feed.
    pub(super) fn end(self, line: &mut Vec<u8>, target: &str, request: Option<&RequestContext>) {
        match self {
            Self::Json => {
                line.extend_from_slice(b",\"target\":");
                json(line, Scalar::Text(target));
                if let Some(request) = request {
                    let _ = write!(line, ",\"trace.id\":\"{}\",\"request.id\":", request.trace_id());
                    json(line, Scalar::Text(request.request_id().as_str()));
                }
                line.extend_from_slice(b"}\n");
            }
            Self::Pretty(colour) => {
                if let Some(request) = request {
                    colour.paint(line, DIM, format_args!(" request={}", request.request_id()));
                }
                colour.paint(line, DIM, format_args!(" [{target}]"));
                line.push(b'\n');
            }
        }
    }
}

fn json(line: &mut Vec<u8>, value: Scalar<'_>) {
    match value {
        Scalar::Text(text) => {
            line.push(b'"');
            let _ = Escaping(line).write_str(text);
            line.push(b'"');
        }
        Scalar::Words(words) => {
            line.push(b'"');
            let _ = Escaping(line).write_fmt(words);
            line.push(b'"');
        }
        Scalar::Bare(value) => {
            let _ = line.write_fmt(value);
        }
        // As serde_json has it: `null` for what is no number.
        Scalar::Float(value) => {
            let _ = serde_json::to_writer(line, &value);
        }
    }
}

fn pretty(line: &mut Vec<u8>, value: Scalar<'_>) {
    let _ = match value {
        Scalar::Text(text) => Printable(line).write_str(text),
        Scalar::Words(words) | Scalar::Bare(words) => Printable(line).write_fmt(words),
        Scalar::Float(value) => Printable(line).write_fmt(format_args!("{value:?}")),
    };
}

/// Writes what stands between the quotes of a JSON string (RFC 8259, section 7).
struct Escaping<'l>(&'l mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
            self.0.extend_from_slice(&rest[..at]);
            match rest[at] {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                control => {
                    let _ = write!(self.0, "\\u{control:04x}");
                }
            }
            rest = &rest[at + 1..];
        }
        self.0.extend_from_slice(rest);
        Ok(())
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Escapes control characters: what a client sent can neither start a line of its own nor move the cursor.
struct Printable<'l>(&'l mut Vec<u8>);

impl fmt::Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let _ = if character.is_control() {
                write!(self.0, "{}", character.escape_default())
            } else {
                write!(self.0, "{character}")
            };
        }
        Ok(())
    }
}

const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");

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

impl Colour {
    fn paint(self, line: &mut Vec<u8>, code: u8, text: fmt::Arguments<'_>) {
        let _ = match self {
            Self::None => line.write_fmt(text),
            Self::Ansi => line.write_fmt(format_args!("\x1b[{code}m{text}\x1b[0m")),
        };
    }
}
