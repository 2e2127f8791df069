use serde_json::{Map, Value, json};

use super::operation::{self, REFERENCE};

/// Shows at bodies and answers the examples of their schemas, and names the headers that go with what they show.
pub(super) fn complete(operation: &mut Value, schemas: &Value) {
    let is_idempotent = operation::has_parameter(operation, "Idempotency-Key");
    if let Some(content) = operation.pointer_mut("/requestBody/content/application~1json") {
        show(content, schemas);
    }
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, response) in responses {
        if is_idempotent && status.starts_with('2') {
            response["headers"]["Idempotency-Replayed"] = json!({
                "description": "Stands where the answer is that of an earlier request with the same key.",
                "schema": {"type": "string", "enum": ["true"]},
            });
        }
        let Some(content) = response.pointer_mut("/content/application~1json") else {
            continue;
        };
        show(content, schemas);
        let shown = content["example"].as_object().cloned().unwrap_or_default();
        if let Some(headers) = response["headers"].as_object_mut() {
            add_headers(headers, status, &shown);
        }
    }
}

fn show(content: &mut Value, schemas: &Value) {
    let Some(members) = content.as_object_mut() else {
        return;
    };
    if members.contains_key("example") || members.contains_key("examples") {
        return;
    }
    if let Some(example) = members.get("schema").and_then(|schema| example(schema, schemas)) {
        members.insert("example".to_owned(), example);
    }
}

/// The example of a schema: its own, or for a page of a list one made of an item's.
fn example(schema: &Value, schemas: &Value) -> Option<Value> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => &schemas[reference.strip_prefix(REFERENCE)?],
        None => schema,
    };
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    let item = example(schema.pointer("/properties/items/items")?, schemas)?;
    Some(json!({"items": [item], "nextCursor": null, "hasMore": false}))
}

fn add_headers(headers: &mut Map<String, Value>, status: &str, shown: &Map<String, Value>) {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    if !shown.contains_key("version") {
        return;
    }
    if status == "201" {
        headers.insert("Location".to_owned(), text("Where it is found."));
    }
    if matches!(status, "200" | "201") {
        headers.insert(
            "ETag".to_owned(),
            text("Names this version, for `If-Match` and `If-None-Match`."),
        );
    }
}
