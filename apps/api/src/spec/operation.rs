use fairlead_domain::access::POLICY;
use serde_json::{Map, Value, json};

use super::extension::{OPERATOR, PERMIT};
use super::problems;
use crate::authentication::PUBLIC;
use crate::problem::Kind;

pub(super) const REFERENCE: &str = "#/components/schemas/";

/// Adds to an operation what follows from where it is and what it takes.
pub(super) fn complete(path: &str, operation: &mut Value) {
    if path.starts_with("/api/v1/") {
        operation["security"] = security(path, operation);
    }
    let kinds = kinds(path, operation);
    let is_conditional = has_parameter(operation, "If-None-Match");
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    problems::add(responses, kinds);
    if is_conditional {
        admit_not_modified(responses);
    }
    for response in responses.values_mut() {
        response["headers"]["X-Request-Id"] = json!({
            "description": "The request's id: the one sent, or one made up.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        });
    }
}

/// Which credentials an operation accepts.
fn security(path: &str, operation: &Value) -> Value {
    if PUBLIC.contains(&path) {
        return json!([]);
    }
    match operation[PERMIT].as_str() {
        Some(OPERATOR) => json!([{"operatorAuth": []}]),
        Some(action) => {
            let rule = POLICY.iter().find(|rule| rule.name == action);
            match rule.and_then(|rule| rule.scope) {
                Some(_) => json!([{"bearerAuth": []}, {"tenantKey": []}]),
                None => json!([{"bearerAuth": []}]),
            }
        }
        None => json!([{"bearerAuth": []}, {"tenantKey": []}]),
    }
}

/// The problems that every operation of this kind can give.
fn kinds(path: &str, operation: &Value) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::QueryTooLong,
        Kind::HeadersTooLarge,
        Kind::Internal,
        Kind::DeadlineExceeded,
    ];
    if path.starts_with("/api/v1/") && path != "/api/v1/health" {
        kinds.extend([Kind::MalformedRequest, Kind::Contended, Kind::Unavailable]);
    }
    let security = &operation["security"];
    let is_protected = security.as_array().is_some_and(|schemes| !schemes.is_empty());
    if is_protected {
        kinds.extend([Kind::NotAuthenticated, Kind::NotPermitted]);
    }
    if path.contains('{') {
        kinds.push(Kind::NotFound);
    }
    if parameters(operation).any(|parameter| parameter["in"] == "query") {
        kinds.push(Kind::InvalidInput);
    }
    if has_parameter(operation, "cursor") {
        kinds.push(Kind::InvalidCursor);
    }
    if has_parameter(operation, "Idempotency-Key") {
        kinds.push(Kind::IdempotencyKeyReused);
    }
    let content = &operation["requestBody"]["content"];
    if content.is_object() {
        kinds.extend([Kind::BodyTooLarge, Kind::UnsupportedMediaType]);
    }
    if content["application/json"].is_object() {
        kinds.extend([Kind::MalformedJson, Kind::InvalidInput]);
    }
    kinds
}

fn admit_not_modified(responses: &mut Map<String, Value>) {
    let tag = json!({"description": "Names this version of the answer.", "schema": {"type": "string"}});
    responses
        .entry("304")
        .or_insert_with(|| json!({"description": "Nothing has changed since."}));
    for status in ["200", "304"] {
        if let Some(response) = responses.get_mut(status) {
            response["headers"]["ETag"] = tag.clone();
        }
    }
}

/// Lets the answers of an operation with `fields` lack fields. Returns the schemas that this needs.
pub(super) fn admit_fields(operation: &mut Value, schemas: &Value) -> Map<String, Value> {
    let mut needed = Map::new();
    if !has_parameter(operation, "fields") {
        return needed;
    }
    let Some(schema) = operation.pointer_mut("/responses/200/content/application~1json/schema") else {
        return needed;
    };
    let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix(REFERENCE))
    else {
        return needed;
    };
    let name = name.to_owned();
    let mut partial = schemas[&name].clone();
    if let Some(item) = partial["properties"]["items"]["items"]["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix(REFERENCE))
    {
        let item = item.to_owned();
        partial["properties"]["items"]["items"] = json!({"$ref": format!("{REFERENCE}Partial{item}")});
        needed.insert(format!("Partial{item}"), without_required(&schemas[&item]));
        needed.insert(format!("Partial{name}"), partial);
    } else {
        needed.insert(format!("Partial{name}"), without_required(&partial));
    }
    *schema = json!({"anyOf": [
        {"$ref": format!("{REFERENCE}{name}")},
        {"$ref": format!("{REFERENCE}Partial{name}")},
    ]});
    needed
}

fn without_required(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove("required");
        members.insert(
            "description".to_owned(),
            Value::from("The fields that `fields` names."),
        );
    }
    schema
}

pub(super) fn has_parameter(operation: &Value, name: &str) -> bool {
    parameters(operation).any(|parameter| parameter["name"] == name)
}

fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}
