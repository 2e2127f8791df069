use std::collections::HashSet;

use fairlead_domain::access::POLICY;
use serde_json::{Map, Value};

use super::extension::OPERATOR;
use super::openapi;
use super::operation::permits;

fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = openapi()["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn each_operation_has_an_id_of_its_own_a_summary_and_one_tag() {
    let mut ids = HashSet::new();

    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(ids.insert(id) && !id.is_empty(), "{method} {path}: {id}");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|summary| summary.ends_with('.')),
            "{method} {path}"
        );
        assert_eq!(
            operation["tags"].as_array().map(Vec::len),
            Some(1),
            "{method} {path}"
        );
    }
    assert!(ids.len() > 25);
}

#[test]
fn each_permit_is_a_row_of_the_policy() {
    for (path, method, operation) in operations() {
        for permit in permits(operation) {
            let known = permit == OPERATOR || POLICY.iter().any(|rule| rule.name == permit);
            assert!(known, "{method} {path}: {permit}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, seen: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    seen.push(reference.clone());
                }
                members.values().for_each(|member| walk(member, seen));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, seen)),
            _ => {}
        }
    }
    let mut references = Vec::new();
    walk(openapi(), &mut references);

    for reference in &references {
        assert!(openapi().pointer(&reference[1..]).is_some(), "{reference}");
    }
    assert!(references.len() > 100);
}

#[test]
fn no_parameter_may_be_null() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        assert!(
            operation.get("parameters").is_none_or(Value::is_array),
            "{operation}"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let schema = resolve(&parameter["schema"]).to_string();
            assert!(!schema.contains("null"), "{method} {path}: {parameter}");
            checked += 1;
        }
    }
    assert!(checked > 100);
}

#[test]
fn every_answer_of_a_protected_operation_is_documented() {
    for (path, method, operation) in operations().filter(|(path, ..)| path.starts_with("/api/v1/")) {
        let responses = operation["responses"].as_object().unwrap();
        let is_protected = operation["security"]
            .as_array()
            .is_some_and(|schemes| !schemes.is_empty());
        for status in ["401", "403"] {
            assert!(
                !is_protected || responses.contains_key(status),
                "{method} {path} lacks {status}"
            );
        }
        let is_success = |status: &String| status.starts_with('2') || status == "101";
        assert!(responses.keys().any(is_success), "{method} {path}");
    }
}

#[test]
fn bodies_are_closed_and_have_examples() {
    for (path, method, operation) in operations() {
        let content = operation["requestBody"]["content"]["application/json"].as_object();
        let Some(content) = content else { continue };
        // What Stripe tells is Stripe's to say.
        let is_ours = path != "/api/v1/billing/webhooks/stripe";
        assert!(
            !is_ours || is_closed(&content["schema"]),
            "{method} {path}: {}",
            content["schema"]
        );
        let has_example = content.contains_key("example") || content.contains_key("examples");
        assert!(has_example, "{method} {path} has no example");
    }
}

#[test]
fn every_success_with_a_body_has_an_example() {
    for (path, method, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
            let contents = response["content"].as_object().into_iter().flat_map(Map::iter);
            for (media_type, content) in
                contents.filter(|(media_type, _)| media_type.as_str() == "application/json")
            {
                let has_example = content.get("example").is_some() || content.get("examples").is_some();
                assert!(
                    has_example,
                    "{method} {path} {status} {media_type} has no example"
                );
            }
        }
    }
}

#[test]
fn what_needs_no_credential_or_has_no_deadline_exists() {
    for path in crate::authentication::PUBLIC
        .iter()
        .chain(crate::middleware::guard::EXEMPT)
    {
        assert!(openapi()["paths"].get(*path).is_some(), "{path}");
    }
}

#[test]
fn the_fields_that_can_be_chosen_are_those_that_are_shown() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let Some(fields) = parameters
            .into_iter()
            .find(|parameter| parameter["name"] == "fields")
        else {
            continue;
        };
        let shown = &operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"][0];
        let mut schema = resolve(shown);
        if let Some(item) = schema.pointer("/properties/items/items") {
            schema = resolve(item);
        }
        let mut shown: Vec<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let choices = fields["schema"]["items"]["enum"].as_array().unwrap();
        let mut choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        shown.sort_unstable();
        choices.sort_unstable();

        assert_eq!(choices, shown, "{method} {path}");
        checked += 1;
    }
    assert!(checked >= 3);
}

/// Whether a value of this schema can have no unknown field.
fn is_closed(schema: &'static Value) -> bool {
    let schema = resolve(schema);
    // Rows that are judged one by one: the form that is wanted stands first, and whatever else is told in the answer.
    if let Some(wanted) = schema["anyOf"].get(0) {
        return is_closed(wanted);
    }
    match (schema["oneOf"].as_array(), schema.get("items")) {
        (Some(alternatives), _) => alternatives.iter().all(is_closed),
        (None, Some(items)) => is_closed(items),
        (None, None) => schema["additionalProperties"] == false,
    }
}

fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => openapi().pointer(&reference[1..]).unwrap(),
        None => schema,
    }
}
