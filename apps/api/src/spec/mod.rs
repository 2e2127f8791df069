//! The specification of the API: OpenAPI 3.1, collected from the handlers that serve it.
//!
//! A handler states what is its own: id, summary, parameters, body, success, the errors of its use case, its action.
//! What follows from that is added here, the same way for all: security, the problems that every operation of its
//! kind can give, 304 and `ETag`, and the partial answers of `fields`.

mod document;
mod examples;
mod markdown;
mod operation;
mod parameters;
mod problems;
mod responses;

use std::sync::LazyLock;

use serde_json::{Map, Value};

pub use markdown::problems_markdown;
pub use parameters::IfNoneMatch;
pub use problems::{Problematic, Problems};

/// The names of extensions of the specification.
pub mod extension {
    /// The name of the domain's action that the caller must be permitted, or of several of which it must be permitted one,
    /// or [`OPERATOR`]; absent where any caller
    /// will do, and on operations without security.
    pub const PERMIT: &str = "x-permit";
    /// The permit of operations that are for operators of the platform alone.
    pub const OPERATOR: &str = "Operator";
    /// `bulk` on operations that have what is left when there is more to do than can be done; `operator` on those of
    /// operators, which always get through; absent on all others.
    pub const PRIORITY: &str = "x-priority";
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| sorted(document::build()));

/// The whole specification; the same from one build to the next, with members in alphabetical order.
pub fn openapi() -> &'static Value {
    &DOCUMENT
}

/// The specification as it is served and kept in the repository.
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(openapi()).expect("a JSON value serialises");
    text.push('\n');
    text
}

/// Sorts the members of every object, whatever order the JSON library keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests;
