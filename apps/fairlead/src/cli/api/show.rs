//! Shows answers to people: lists as tables, one thing as its fields, and what was refused with its reasons.

use fairlead_http::ApiProblem;
use serde_json::{Map, Value};

use super::description::{Description, plain};
use crate::output;

/// Longer values are cut off in tables; `--json` has all.
const WIDEST_CELL: usize = 40;
/// Further columns are left out.
const WIDEST_TABLE: usize = 140;

/// An answer of JSON. `schema` names what it is.
pub(super) fn answer(api: &Description, schema: Option<&str>, answer: &Value) -> String {
    match answer {
        Value::Array(rows) if are_objects(rows) => table(rows, &[]),
        Value::Object(fields) => {
            let items = fields.get("items").and_then(Value::as_array);
            match items {
                Some(rows) if are_objects(rows) => {
                    let of_items = schema.and_then(|schema| api.of_items(schema));
                    table(rows, &of_items.map(|name| api.order(name)).unwrap_or_default())
                }
                _ => one(
                    fields,
                    &schema.map(|schema| api.order(schema)).unwrap_or_default(),
                ),
            }
        }
        other => cell(other),
    }
}

/// Rows, with the columns that tell the most: those of one value each, in the order in which they were written down.
pub(in crate::cli) fn table(rows: &[Value], order: &[String]) -> String {
    if rows.is_empty() {
        return "There are none.".to_owned();
    }
    let names = ordered(rows.iter().filter_map(Value::as_object), order);
    let tells = |name: &&String| {
        let mut told = false;
        for row in rows {
            match &row[name.as_str()] {
                Value::Null => {}
                Value::Object(_) => return false,
                Value::Array(values) if values.iter().any(|value| value.is_object() || value.is_array()) => {
                    return false;
                }
                _ => told = true,
            }
        }
        told
    };
    let mut columns: Vec<Vec<String>> = Vec::new();
    let (mut width, mut has_more) = (0, false);
    for name in &names {
        if !tells(&name) {
            has_more |= rows.iter().any(|row| !row[name.as_str()].is_null());
            continue;
        }
        let mut column = vec![heading(name)];
        column.extend(rows.iter().map(|row| cut(cell(&row[name.as_str()]))));
        let wide = column
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default();
        if width + wide > WIDEST_TABLE && !columns.is_empty() {
            has_more = true;
            break;
        }
        width += wide + 2;
        columns.push(column);
    }
    let lines: Vec<Vec<String>> = (0..=rows.len())
        .map(|line| columns.iter().map(|column| column[line].clone()).collect())
        .collect();
    let table = output::table(&lines);
    if has_more {
        format!("{table}\n(--json has more of each)")
    } else {
        table
    }
}

/// One thing: a line for each value, and a table for each list of things.
fn one(fields: &Map<String, Value>, order: &[String]) -> String {
    let (mut lines, mut tables) = (Vec::new(), Vec::new());
    flatten("", fields, order, &mut lines, &mut tables);
    let mut parts = Vec::new();
    if !lines.is_empty() {
        parts.push(output::table(&lines));
    }
    for (name, rows) in tables {
        parts.push(format!("{name}:\n{}", table(rows, &[])));
    }
    parts.join("\n\n")
}

fn flatten<'a>(
    above: &str,
    fields: &'a Map<String, Value>,
    order: &[String],
    lines: &mut Vec<Vec<String>>,
    tables: &mut Vec<(String, &'a [Value])>,
) {
    for name in ordered(std::iter::once(fields), order) {
        let value = &fields[&name];
        let path = if above.is_empty() {
            name
        } else {
            format!("{above}.{name}")
        };
        match value {
            Value::Object(below) if !below.is_empty() => flatten(&path, below, &[], lines, tables),
            Value::Array(rows) if !rows.is_empty() && are_objects(rows) => tables.push((path, rows)),
            other => lines.push(vec![clean(&path), cell(other)]),
        }
    }
}

/// The names of all fields: those that are known in their order, then all others.
fn ordered<'a>(rows: impl Iterator<Item = &'a Map<String, Value>> + Clone, order: &[String]) -> Vec<String> {
    let mut names: Vec<String> = order
        .iter()
        .filter(|name| rows.clone().any(|row| row.contains_key(*name)))
        .cloned()
        .collect();
    for row in rows {
        for name in row.keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

fn are_objects(values: &[Value]) -> bool {
    values.iter().all(Value::is_object)
}

/// `qualityScore` as `QUALITY SCORE`.
fn heading(name: &str) -> String {
    let mut heading = String::new();
    for letter in clean(name).chars() {
        if letter.is_uppercase() {
            heading.push(' ');
        }
        heading.extend(letter.to_uppercase());
    }
    heading
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => clean(&plain(other)),
    }
}

fn cut(text: String) -> String {
    if text.chars().count() <= WIDEST_CELL {
        return text;
    }
    let kept: String = text.chars().take(WIDEST_CELL - 1).collect();
    format!("{kept}…")
}

/// Whatever tenants have written does not speak to the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect()
}

/// Why a server has refused, each reason with its place, once.
pub(super) fn refused(problem: &ApiProblem) -> String {
    let said = match &problem.detail {
        // What is said of the one reason is said below.
        Some(detail) if problem.errors.is_empty() => format!("{}: {detail}", problem.title),
        _ => problem.title.clone(),
    };
    let mut text = format!("error: {} ({})", clean(&said), problem.status);
    let reasons: Vec<Vec<String>> = problem
        .errors
        .iter()
        .map(|fault| vec![format!("  {}", clean(&fault.place())), clean(&fault.detail)])
        .collect();
    if !reasons.is_empty() {
        text.push('\n');
        text.push_str(&output::table(&reasons));
    }
    if let Some(trace) = problem.instance.as_deref().filter(|_| problem.status >= 500) {
        text.push_str("\n  the log of the server knows it as ");
        text.push_str(&clean(trace));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(value: Value) -> ApiProblem {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_list_is_a_table_of_what_has_one_value_in_the_order_it_is_described_in() {
        let api = Description::embedded();
        let page = json!({ "items": [
            { "version": 2, "name": "Ann\u{1b}[2J", "id": "1", "email": null, "customFields": { "a": 1 } },
            { "version": 1, "name": "B".repeat(50), "id": "2", "email": null, "customFields": {} },
        ], "nextCursor": null, "hasMore": false });

        let shown = answer(&api, Some("Leads"), &page);

        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with("ID  NAME") && !lines[0].contains("EMAIL"),
            "{shown}"
        );
        assert!(lines[1].contains("Ann\u{fffd}[2J"), "{shown}");
        assert!(lines[2].contains('…'), "{shown}");
        assert_eq!(*lines.last().unwrap(), "(--json has more of each)");
    }

    #[test]
    fn one_thing_is_its_fields_and_a_table_for_each_list_in_it() {
        let api = Description::embedded();

        let shown = answer(
            &api,
            None,
            &json!({ "total": 3, "pool": { "idle": 1, "isFull": false }, "queries": [{ "calls": 7 }], "tags": ["a", "b"] }),
        );

        for line in [
            "total        3",
            "pool.idle    1",
            "pool.isFull  no",
            "tags         a, b",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        assert!(shown.ends_with("queries:\nCALLS\n7"), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let one = problem(
            json!({ "title": "Invalid input", "status": 422, "detail": "/name: must not be empty",
            "errors": [{ "pointer": "/name", "detail": "must not be empty" }] }),
        );
        let other =
            problem(json!({ "title": "Not found", "status": 404, "detail": "there is no such lead" }));
        let ours = problem(json!({ "title": "Internal error", "status": 500, "instance": "urn:trace:1" }));

        assert_eq!(
            refused(&one),
            "error: Invalid input (422)\n  name  must not be empty"
        );
        assert_eq!(refused(&other), "error: Not found: there is no such lead (404)");
        assert!(refused(&ours).ends_with("knows it as urn:trace:1"));
    }
}
