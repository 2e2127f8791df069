//! Log lines: one per event, on standard error, for people or for machines.
//!
//! Lines of information are written in lots, within a few milliseconds; warnings and errors at once, after all that was
//! logged before them.
//!
//! A JSON line has `timestamp`, `level`, `target`, `message`, `trace.id` and `request.id` of the request at hand, the
//! fields of the enclosing spans, and those of the event. A field that is named twice has its innermost value. Fields of spans
//! that begin with `otel.` say how a span is told to those who collect traces, and are left out.

mod layer;
mod line;
mod render;
mod sink;

use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::spans::{self, Traces};
use layer::LineLayer;
use render::{Colour, Renderer};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `Pretty` when standard error is a terminal, otherwise `Json`.
    #[default]
    Auto,
    Pretty,
    Json,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Pretty, Self::Json];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

/// Not the name of a log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log format; allowed: auto, pretty, json")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or(UnknownFormat)
    }
}

/// Why nothing can be logged as asked.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("`{filter}` is not a log filter such as `info,fairlead=debug`")]
    Filter {
        filter: String,
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("logging has been started before")]
    Started(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging for the whole process, and telling traces, if any are to be told; `filter` is in the syntax of
/// [`EnvFilter`](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html).
pub fn init(format: Format, filter: &str, traces: Option<Traces>) -> Result<(), LoggingError> {
    let filter = parse_filter(filter)?;
    // What went wrong is written before whatever it leads to; the rest may wait for a moment.
    let write = |level: Level, line: &[u8]| sink::write(line, level <= Level::WARN);
    let layer = LineLayer::new(renderer(format), write);
    let registry = tracing_subscriber::registry();
    // Where no traces are told, spans that are not logged are out of the way of all that is done in them.
    match &traces {
        None => registry.with(filter).with(layer).try_init(),
        Some(traces) => registry
            .with(layer.with_filter(filter))
            .with(spans::layer(traces))
            .try_init(),
    }
    .map_err(LoggingError::Started)?;
    if let Some(traces) = traces {
        traces.begin();
    }
    sink::start();
    Ok(())
}

/// Writes what was logged and still waits to be: before the process ends.
pub fn flush() {
    sink::flush();
}

/// Checks a filter without starting anything.
pub fn check_filter(filter: &str) -> Result<(), LoggingError> {
    parse_filter(filter).map(drop)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LoggingError> {
    let parsed = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    // The AMQP client logs messages that come back with all that is in them, whoever's it is.
    let no_messages = "lapin::returned_messages=off";
    Ok(parsed.add_directive(no_messages.parse().expect("it is a directive")))
}

fn renderer(format: Format) -> Renderer {
    let colour = if io::stderr().is_terminal() {
        Colour::Ansi
    } else {
        Colour::None
    };
    match (format, colour) {
        (Format::Json, _) | (Format::Auto, Colour::None) => Renderer::Json,
        (Format::Pretty, _) | (Format::Auto, Colour::Ansi) => Renderer::Pretty(colour),
    }
}

#[cfg(test)]
mod tests;
