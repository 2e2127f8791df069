//! Answers that many operations give stand once among the components; the operations refer to them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::problem::MEDIA_TYPE;

/// Moves each problem answer of the operations to the components, where equal ones meet.
pub(super) fn share(document: &mut Value) {
    let mut shared: BTreeMap<String, Value> = BTreeMap::new();
    let operations = document["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut);
    for operation in operations.flat_map(|item| item.as_object_mut().into_iter().flat_map(Map::values_mut)) {
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (status, response) in responses {
            let Some(name) = name(status, response) else {
                continue;
            };
            let reference = json!({"$ref": format!("#/components/responses/{name}")});
            shared.insert(name, std::mem::replace(response, reference));
        }
    }
    document["components"]["responses"] = Value::Object(shared.into_iter().collect());
}

/// Names an answer after its status and the problems it can hold; `None` when it is no problem.
fn name(status: &str, response: &Value) -> Option<String> {
    let problems = response["content"][MEDIA_TYPE]["examples"].as_object()?;
    let slugs: Vec<&str> = problems.keys().map(String::as_str).collect();
    Some(format!("{status}.{}", slugs.join(".")))
}
