//! What statements cost: told to the request that waits for them and, of slow ones, to the log.

use std::time::Duration;

use fairlead_telemetry::request;

use crate::pool::{Answers, Failed, Step};
use crate::statement::Statement;

/// Reports the statements of a pipeline, answered or not.
pub(super) fn note(statements: &[&Statement], result: &Result<&Answers, &Failed>, slow: Duration) {
    let answered = match result {
        Ok(answers) => &answers.statements,
        Err(failed) => &failed.answered,
    };
    if let Some(request) = request::current() {
        request.note_round_trip();
    }
    for (statement, answer) in statements.iter().zip(answered) {
        note_statement(statement, answer.took, answer.count, Outcome::Answered, slow);
    }
    if let Err(Failed {
        at: Step::Statement(number),
        took,
        ..
    }) = result
        && let Some(statement) = statements.get(*number)
    {
        note_statement(statement, *took, 0, Outcome::Failed, slow);
    }
}

/// Reports a statement that ran for several requests to one of them.
pub(super) fn note_shared(took: Duration, has_found: bool) {
    if let Some(request) = request::current() {
        request.note_round_trip();
        request.note_statement(took, u64::from(has_found));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Failed,
}

fn note_statement(statement: &Statement, took: Duration, rows: u64, outcome: Outcome, slow: Duration) {
    if let Some(request) = request::current() {
        request.note_statement(took, rows);
    }
    if took >= slow {
        tracing::warn!(
            db.statement = statement.text(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            rows,
            failed = outcome == Outcome::Failed,
            "slow statement"
        );
    }
}
