use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use serde_json::{Map, Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use crate::problem::{Kind, MEDIA_TYPE};

/// An error of a use case, with the problem types it becomes. Stands beside the `From` that maps it.
pub trait Problematic {
    const KINDS: &'static [Kind];
}

/// The answers that an error of type `E` becomes, for `responses(…)` of a handler.
///
/// What every operation can give (400 to 503) is added by the specification itself.
#[derive(Debug)]
pub struct Problems<E>(PhantomData<fn() -> E>);

impl<E: Problematic> IntoResponses for Problems<E> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Map::new();
        add(&mut responses, E::KINDS.iter().copied());
        responses
            .into_iter()
            .map(|(status, response)| {
                let response: Response = serde_json::from_value(response).expect("built as a response");
                (status, RefOr::T(response))
            })
            .collect()
    }
}

/// Adds problems to the responses of an operation, grouped by status; those that stand there already stay.
pub(super) fn add(responses: &mut Map<String, Value>, kinds: impl IntoIterator<Item = Kind>) {
    let kinds: BTreeSet<Kind> = kinds.into_iter().collect();
    for kind in kinds {
        let status = kind.status().as_u16();
        // An operation may have an answer of its own for a status: then there are two media types.
        let own = responses
            .get(&status.to_string())
            .is_some_and(|own| own["content"].get(MEDIA_TYPE).is_none());
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({}));
        response["headers"] = headers(status);
        response["content"][MEDIA_TYPE]["schema"] = json!({"$ref": "#/components/schemas/Problem"});
        response["content"][MEDIA_TYPE]["examples"][kind.slug()] = example(kind);
        if !own {
            response["description"] = Value::from(description(response));
        }
    }
}

/// The titles of the problems that a response can hold.
fn description(response: &Value) -> String {
    let examples = response["content"][MEDIA_TYPE]["examples"].as_object();
    let titles = examples
        .into_iter()
        .flat_map(Map::values)
        .filter_map(|example| example["summary"].as_str());
    titles.collect::<Vec<_>>().join(" · ")
}

fn headers(status: u16) -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    match status {
        401 => json!({"WWW-Authenticate": text("The scheme to authenticate with.")}),
        429 | 503 => json!({"Retry-After": {
            "description": "How many seconds to wait before another try.",
            "schema": {"type": "integer", "minimum": 0},
        }}),
        _ => json!({}),
    }
}

fn example(kind: Kind) -> Value {
    let row = kind.row();
    let mut value = json!({
        "type": kind.uri(),
        "title": row.title,
        "status": row.status.as_u16(),
        "instance": "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736",
    });
    match kind {
        Kind::InvalidInput => {
            value["detail"] = Value::from("/name: must not be empty");
            value["errors"] = json!([{"pointer": "/name", "detail": "must not be empty"}]);
        }
        kind if kind.status().is_client_error() => value["detail"] = Value::from(row.when),
        _ => {}
    }
    json!({"summary": row.title, "description": row.when, "value": value})
}
