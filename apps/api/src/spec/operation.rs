use actix_web::http::Method;
use fairlead_domain::access::POLICY;
use fairlead_domain::admission::Class;
use serde_json::{Map, Value, json};

use super::extension::{OPERATOR, PERMIT, PRIORITY};
use super::{parameters as headers, problems};
use crate::admission::handling;
use crate::authentication::PUBLIC;
use crate::idempotency::without;
use crate::middleware::HEALTH;
use crate::plan_calls;
use crate::problem::Kind;

pub(super) const REFERENCE: &str = "#/components/schemas/";

/// Adds to an operation what follows from where it is and what it takes.
pub(super) fn complete(path: &str, method: &str, operation: &mut Value) {
    if path.starts_with("/api/v1/") {
        operation["security"] = security(path, operation);
        if let Some(priority) = priority(path, method, operation) {
            operation[PRIORITY] = json!(priority.as_str());
        }
    }
    forbid_null(operation);
    let is_read = is_read(path, method, operation);
    if is_read {
        headers::ask_for_consistency(operation);
    }
    tell_why_without_key(operation);
    let kinds = kinds(path, operation);
    let is_conditional = has_parameter(operation, "If-None-Match");
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    problems::add(responses, kinds);
    if is_conditional {
        admit_not_modified(responses);
    }
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['2', '3']) {
            tell_consistency(path, method, is_read, response);
        }
        if !is_health(path) {
            tell_rate_limits(response);
        }
        response["headers"]["X-Request-Id"] = json!({
            "description": "The request's id: the one sent, or one made up.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        });
    }
}

/// Clients see why an operation that changes something takes no idempotency key.
fn tell_why_without_key(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let Some(reason) = without::reason(id) else { return };
    let told = format!("Takes no idempotency key: {}.", reason.text());
    let description = operation["description"].as_str();
    let description = description.map_or_else(|| told.clone(), |text| format!("{text}\n\n{told}"));
    operation["description"] = Value::from(description);
}

/// Clients see how often they may ask, but where everybody may.
fn tell_rate_limits(response: &mut Value) {
    let text = |description: &str, example: &str| json!({"description": description, "schema": {"type": "string"}, "example": example});
    response["headers"]["RateLimit-Policy"] = text(
        "The limits that the request comes under, where there are any: `q` requests, which come back evenly within `w` \
         seconds.",
        "\"address\";q=30000;w=60, \"tenant\";q=60000;w=60",
    );
    response["headers"]["RateLimit"] = text(
        "Of the limit that will hold the client up first: `r` requests are left, and in `t` seconds all are there again.",
        "\"tenant\";r=59940;t=1",
    );
}

fn is_health(path: &str) -> bool {
    HEALTH.contains(&path)
}

/// A query has no null: a parameter is there or not. Types made optional by the collector would admit one.
fn forbid_null(operation: &mut Value) {
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for schema in parameters.filter_map(|parameter| parameter["schema"].as_object_mut()) {
        if let Some(types) = list(schema, "type") {
            types.retain(|name| name != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                schema.insert("type".to_owned(), one);
            }
        }
        if let Some(words) = list(schema, "enum") {
            words.retain(|word| !word.is_null());
        }
        if let Some(choices) = list(schema, "oneOf") {
            choices.retain(|choice| choice["type"] != "null");
            if let [Value::Object(one)] = choices.as_slice() {
                let one = one.clone();
                schema.remove("oneOf");
                schema.extend(one);
            }
        }
    }
}

fn list<'a>(schema: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Vec<Value>> {
    schema.get_mut(name)?.as_array_mut()
}

/// Whether an operation reads rows of a tenant.
fn is_read(path: &str, method: &str, operation: &Value) -> bool {
    let is_of_a_tenant = path.starts_with("/api/v1/") && path != "/api/v1/health";
    is_of_a_tenant && method == "get" && operation[PERMIT] != OPERATOR
}

/// Reads say where they were read, and writes how a read can be sure to see them.
fn tell_consistency(path: &str, method: &str, is_read: bool, response: &mut Value) {
    if is_read {
        response["headers"]["Fairlead-Read-Source"] = json!({
            "description": "Where the answer was read: a node of the database, or a level of the cache.",
            "schema": {"type": "string"},
        });
    } else if method != "get" && path.starts_with("/api/v1/") {
        response["headers"]["Fairlead-Consistency"] = json!({
            "description": "Names what was written, if something was: a read that carries it sees at least that.",
            "schema": {"type": "string"},
        });
    }
}

/// Which credentials an operation accepts.
fn security(path: &str, operation: &Value) -> Value {
    if PUBLIC.contains(&path) {
        return json!([]);
    }
    let permits = permits(operation);
    let has_scope = |action: &&str| {
        let rule = POLICY.iter().find(|rule| rule.name == *action);
        rule.is_some_and(|rule| rule.scope.is_some())
    };
    match &permits[..] {
        [OPERATOR] => json!([{"operatorAuth": []}]),
        actions if actions.is_empty() || actions.iter().any(has_scope) => {
            json!([{"bearerAuth": []}, {"tenantKey": []}])
        }
        _ => json!([{"bearerAuth": []}]),
    }
}

/// How urgent an operation is, unless it is as urgent as most are.
fn priority(path: &str, method: &str, operation: &Value) -> Option<Class> {
    if permits(operation) == [OPERATOR] {
        return Some(Class::Operator);
    }
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
    let class = handling(&method, path).class;
    (class != Class::Interactive).then_some(class)
}

/// The actions of which a caller must be permitted one; none: it need only be known.
pub(super) fn permits(operation: &Value) -> Vec<&str> {
    match &operation[PERMIT] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
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
    if !is_health(path) {
        kinds.push(Kind::RateLimited);
    }
    if path.starts_with("/api/v1/") && path != "/api/v1/health" {
        // An operation that takes no query refuses one.
        kinds.extend([
            Kind::MalformedRequest,
            Kind::InvalidInput,
            Kind::Contended,
            Kind::Unavailable,
        ]);
        if permits(operation) != [OPERATOR] {
            kinds.extend([Kind::Overloaded, Kind::OverShare]);
        }
    }
    let security = &operation["security"];
    let is_protected = security.as_array().is_some_and(|schemes| !schemes.is_empty());
    if is_protected {
        kinds.extend([Kind::NotAuthenticated, Kind::NotPermitted]);
        if permits(operation) != [OPERATOR] && !plan_calls::is_still_answered(path) {
            kinds.push(Kind::PlanCallsUsedUp);
        }
    }
    if path.contains('{') {
        kinds.push(Kind::NotFound);
    }
    if has_parameter(operation, "cursor") {
        kinds.push(Kind::InvalidCursor);
    }
    if has_parameter(operation, "Idempotency-Key") {
        kinds.push(Kind::IdempotencyKeyReused);
    }
    let content = &operation["requestBody"]["content"];
    if content.is_object() {
        kinds.extend([
            Kind::BodyTooLarge,
            Kind::UnsupportedMediaType,
            Kind::UnsupportedCoding,
        ]);
    }
    if content["application/json"].is_object() {
        kinds.extend([Kind::MalformedJson, Kind::BodyTooSlow]);
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
