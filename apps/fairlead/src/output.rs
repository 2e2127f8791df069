//! What the command line says: results on standard output, progress on standard error.

use std::error::Error;
use std::io::{self, Write as _};

use anyhow::Context as _;
use indicatif::HumanCount;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Prints a result for people, or for the next program in a pipe.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_on(text).map(drop)
}

/// Prints a line of what goes on, and returns whether anybody reads on.
pub(crate) fn print_on(text: &str) -> anyhow::Result<bool> {
    match writeln!(io::stdout(), "{text}") {
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.context("cannot write to standard output").map(|()| true),
    }
}

/// Prints a result as one JSON document.
pub(crate) fn print_json(result: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(result).context("the result is not JSON")?)
}

/// Tells people what is being done.
pub(crate) fn progress(text: &str) {
    // Nobody who reads it is nothing to fail of.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Returns a number of things: `1 row`, `2,000 rows`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", HumanCount(number))
}

/// Returns rows in columns as wide as their widest cell; the first row is the heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns an error with its causes, but for those that the message before already repeats.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

pub(crate) fn moment(moment: OffsetDateTime) -> String {
    moment
        .format(&Rfc3339)
        .expect("moments of this era have a form in RFC 3339")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_repeated_is_told_once() {
        let cause = anyhow::anyhow!("refused");

        let error = cause.context("no answer: refused").context("cannot connect");

        assert_eq!(chain(error.as_ref()), "cannot connect: no answer: refused");
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();

        let table = table(&[
            row(["KEY", "VALUE", "UNIT"]),
            row(["a.long.key", "1", "ms"]),
            row(["é", "", ""]),
        ]);

        assert_eq!(table, "KEY         VALUE  UNIT\na.long.key  1      ms\né");
    }
}
