//! What statements cost: told to the request that waits for them, to the meters and, of slow ones, to the log.

use std::time::Duration;

use fairlead_telemetry::request;
use fairlead_telemetry::spans::{self, KeyValue, SpanBuilder, SpanKind, Status};

use super::meters::{Ran, fingerprint};
use crate::pool::{Answers, Failed, Pool, Step};
use crate::statement::Statement;

/// Enough of a statement to know it by.
const MOST_TEXT: usize = 500;

/// Reports the statements of a pipeline, answered or not.
pub(super) fn note(statements: &[&Statement], result: &Result<&Answers, &Failed>, pool: &Pool) {
    let answered = match result {
        Ok(answers) => &answers.statements,
        Err(failed) => &failed.answered,
    };
    if let Some(request) = request::current() {
        request.note_round_trip();
    }
    for (statement, answer) in statements.iter().zip(answered) {
        let ran = Ran {
            took: answer.took,
            rows: answer.count,
            has_failed: false,
        };
        note_statement(statement, ran, pool);
    }
    if let Err(Failed {
        at: Step::Statement(number),
        took,
        ..
    }) = result
        && let Some(statement) = statements.get(*number)
    {
        let ran = Ran {
            took: *took,
            rows: 0,
            has_failed: true,
        };
        note_statement(statement, ran, pool);
    }
}

/// Reports a statement that ran for several requests to one of them. The meters know of it by the one that sent it.
pub(super) fn note_shared(text: &str, took: Duration, has_found: bool) {
    if let Some(request) = request::current() {
        request.note_round_trip();
        request.note_statement(fingerprint(text).as_u64(), took, u64::from(has_found));
    }
}

/// What is told of a statement: its text, which has no values.
fn span(text: &str, ran: Ran) -> SpanBuilder {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ");
    text.truncate(text.floor_char_boundary(MOST_TEXT));
    let operation = words.first().copied().unwrap_or_default().to_owned();
    let rows = i64::try_from(ran.rows).unwrap_or(i64::MAX);
    SpanBuilder::from_name(operation)
        .with_kind(SpanKind::Client)
        .with_attributes([
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.query.text", text),
            KeyValue::new("db.response.returned_rows", rows),
        ])
}

fn note_statement(statement: &Statement, ran: Ran, pool: &Pool) {
    let fingerprint = fingerprint(statement.text());
    pool.statements().note(fingerprint, statement.text(), ran);
    if let Some(request) = request::current() {
        request.note_statement(fingerprint.as_u64(), ran.took, ran.rows);
    }
    let status = if ran.has_failed {
        Status::error("")
    } else {
        Status::Unset
    };
    spans::note(ran.took, status, || span(statement.text(), ran));
    if ran.took >= pool.slow_statement() {
        tracing::warn!(
            db.statement = statement.text(),
            duration_ms = u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX),
            rows = ran.rows,
            failed = ran.has_failed,
            "slow statement"
        );
    }
}
