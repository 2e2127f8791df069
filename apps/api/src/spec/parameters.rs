//! Headers that operations take, as parameters of the specification.

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::conditional::IfMatch;
use crate::consistency::ConsistencyTokens;
use crate::idempotency::{IdempotencyKey, MAX_LENGTH};
use crate::prefer::Prefer;

/// Documents `If-None-Match` on an operation that answers with an entity tag.
#[derive(Debug)]
pub struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        header(
            "If-None-Match",
            "The `ETag` of an earlier answer: when nothing has changed since, the answer is 304 without a body.",
            &json!({"type": "string"}),
            "\"7.@643c9869b5a40\"",
        )
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        header(
            "If-Match",
            "The `ETag` of the version that is to be changed; another one there now is answered with 412. \
             A version alone, such as `\"7\"`, is matched by whatever has that number, also by what was made after a failover \
             in place of a version that was lost. Without the header, whatever is there is changed.",
            &json!({"type": "string", "minLength": 1, "pattern": "^(\\*|\"[1-9][0-9]{0,17}([.-][!#-~]{1,150})?\")$"}),
            "\"7.@643c9869b5a40\"",
        )
    }
}

impl IntoParams for Prefer {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        header(
            "Prefer",
            "`respond-async`: answer with an operation as soon as the request was read (RFC 7240).",
            &json!({"type": "string"}),
            "respond-async",
        )
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        header(
            "Idempotency-Key",
            "A name for this request that the client makes up: repeated under the same key within 24 hours, it is not \
             done again but answered as the first time, with the header `Idempotency-Replayed: true`; while the first is \
             under way, the repeated one waits for it. What failed is not kept.",
            &json!({"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[!-~]+$"}),
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
        )
    }
}

/// Lets a read ask for what an earlier request has written.
pub(super) fn ask_for_consistency(operation: &mut Value) {
    let length = ConsistencyTokens::LENGTH;
    let parameter = json!({
        "name": "Fairlead-Consistency",
        "in": "header",
        "required": false,
        "description": "What an answer to a write gave under this name: the read sees at least that write. Or \
                        `strong`, as which a token counts that cannot be read any more: it sees everything that was \
                        written before. Without it, what the tenant wrote \
                        through this server within the last minute is seen.",
        "schema": {"type": "string", "pattern": format!("^(strong|[A-Za-z0-9_-]{{{length}}})$")},
        "example": "strong",
    });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

fn header(name: &str, description: &str, schema: &Value, example: &str) -> Vec<Parameter> {
    let parameter = json!({
        "name": name,
        "in": "header",
        "required": false,
        "description": description,
        "schema": schema,
        "example": example,
    });
    vec![serde_json::from_value(parameter).expect("built as a parameter")]
}
