//! What there is to be called, and how.

use serde_json::{Value, json};

use super::description::{Access, Description, Operation, Place};
use crate::output;

/// All operations in which `filter` is named: a table for people.
pub(super) fn list(api: &Description, filter: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let filter = filter.map(str::to_lowercase);
    let is_wanted = |operation: &&Operation| {
        let Some(filter) = &filter else { return true };
        let texts = [&operation.id, &operation.path, &operation.tag, &operation.summary];
        texts.iter().any(|text| text.to_lowercase().contains(filter))
    };
    let wanted: Vec<&Operation> = api.operations.iter().filter(is_wanted).collect();
    if as_json {
        let list: Vec<Value> = wanted
            .iter()
            .map(|operation| {
                json!({ "operation": operation.id, "method": operation.method, "path": operation.path,
                    "tag": operation.tag, "summary": operation.summary, "for": who(operation.access) })
            })
            .collect();
        return output::print_json(&list);
    }
    if wanted.is_empty() {
        return output::print("There is none. fairlead api --list shows all.");
    }
    let heading = ["OPERATION", "FOR", "REQUEST", "WHAT IT DOES"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(wanted.iter().map(|operation| {
        vec![
            operation.id.clone(),
            who(operation.access).to_owned(),
            format!("{} {}", operation.method, operation.path),
            operation.summary.clone(),
        ]
    }));
    output::print(&output::table(&rows))
}

fn who(access: Access) -> &'static str {
    match access {
        Access::Everybody => "everybody",
        Access::Tenant => "tenants",
        Access::User => "users",
        Access::Operator => "operators",
    }
}

/// How one is called.
pub(super) fn of_operation(operation: &Operation) -> String {
    let mut parts = vec![format!(
        "{}\n  {} {}",
        operation.summary, operation.method, operation.path
    )];
    if !operation.description.is_empty() {
        parts.push(operation.description.clone());
    }
    parts.push(format!("For {}.", by_what(operation.access)));
    if !operation.parameters.is_empty() {
        let rows: Vec<Vec<String>> = operation
            .parameters
            .iter()
            .map(|parameter| {
                let place = match (parameter.place, parameter.is_required) {
                    (Place::Path | Place::Query, true) => "needed",
                    (Place::Path | Place::Query, false) => "",
                    (Place::Header, true) => "needed, a header",
                    (Place::Header, false) => "a header",
                };
                row([
                    &parameter.name,
                    place,
                    &parameter.kind,
                    first(&parameter.description),
                ])
            })
            .collect();
        parts.push(format!(
            "Parameters, each by --param name=value:\n{}",
            output::table(&rows)
        ));
    }
    if let Some(body) = &operation.body {
        let needed = if body.is_required { "" } else { ", if any" };
        let mut text = format!("Body by --body{needed}, {}:", body.media_types.join(" or "));
        let rows: Vec<Vec<String>> = body
            .fields
            .iter()
            .map(|field| {
                let needed = if field.is_required { "needed" } else { "" };
                row([&field.name, needed, &field.kind, first(&field.description)])
            })
            .collect();
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&output::table(&rows));
        }
        parts.push(text);
    }
    let answers: Vec<Vec<String>> = operation
        .answers
        .iter()
        .map(|answer| {
            row([
                &answer.status,
                &answer.media_types.join(" or "),
                &answer.description,
                "",
            ])
        })
        .collect();
    if !answers.is_empty() {
        parts.push(format!("Answers:\n{}", output::table(&answers)));
    }
    parts.push(format!("Example:\n{}", example(operation)));
    parts.join("\n\n")
}

fn by_what(access: Access) -> &'static str {
    match access {
        Access::Everybody => "everybody, without a credential",
        Access::Tenant => "tenants: by an API key, or a user by --email",
        Access::User => "users of a tenant, by --email",
        Access::Operator => "operators, by the key in FAIRLEAD_OPERATOR_KEY or --operator-key-file",
    }
}

fn row(cells: [&str; 4]) -> Vec<String> {
    let mut row: Vec<String> = cells.map(str::to_owned).to_vec();
    row[0].insert_str(0, "  ");
    row
}

/// The first sentence: all of it is in the pages at `/docs`.
fn first(text: &str) -> &str {
    text.split_once(". ")
        .map_or(text, |(first, _)| first)
        .trim_end_matches('.')
}

fn example(operation: &Operation) -> String {
    let mut words = vec![format!("  fairlead api {}", operation.id)];
    for parameter in operation
        .parameters
        .iter()
        .filter(|parameter| parameter.is_required)
    {
        let value = match &parameter.example {
            Some(example) => quoted(example),
            None => quoted(&format!("<{}>", parameter.name)),
        };
        words.push(format!("--param {}={value}", parameter.name));
    }
    match operation.body.as_ref().map(|body| (body, &body.example)) {
        Some((_, Some(example))) => words.push(format!("--body {}", quoted(&example.to_string()))),
        Some((body, None)) if body.media_types.iter().any(|one| one == "text/csv") => {
            words.push("--body leads.csv".to_owned());
        }
        Some((body, None)) if body.is_required => words.push("--body body.json".to_owned()),
        _ => {}
    }
    words.join(" \\\n    ")
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_a_help_with_an_example_that_its_command_understands() {
        let api = Description::embedded();
        for operation in &api.operations {
            let help = of_operation(operation);

            assert!(help.contains(&format!("fairlead api {}", operation.id)), "{help}");
        }
        let help = of_operation(api.find("updateLead").unwrap());
        for told in [
            "PATCH /api/v1/leads/{id}",
            "needed",
            "a header",
            "--body '{",
            "one of NEW",
        ] {
            assert!(help.contains(told), "{told}: {help}");
        }
    }

    #[test]
    fn examples_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("2026-01-01"), "2026-01-01");
        assert_eq!(quoted("\"7\""), "'\"7\"'");
    }
}
