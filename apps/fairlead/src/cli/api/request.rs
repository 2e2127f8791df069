//! Makes a call of what the command line names.

use std::fs;
use std::io::{Read as _, stdin};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use fairlead_http::ApiCall;
use serde_json::Value;

use super::description::{Operation, Parameter, Place};
use crate::nearest::nearest;
use crate::remote::{UsageError, encoded};

/// What is given is read whole; larger files have commands of their own, which send them as they are read.
const MAX_BODY: u64 = 64 << 20;
const JSON: &str = "application/json";

/// Values of parameters, by their names, in the order given.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(Vec<(String, String)>);

impl Given {
    /// Reads `name=value`, each.
    pub(super) fn read(operation: &Operation, given: &[String]) -> Result<Self, UsageError> {
        let mut values: Vec<(String, String)> = Vec::new();
        for one in given {
            let (name, value) = one.split_once('=').ok_or_else(|| {
                UsageError(format!("--param {one} has no value: write --param {one}=<value>"))
            })?;
            let parameter = find(operation, name)?;
            if parameter.place != Place::Query && values.iter().any(|(known, _)| *known == parameter.name) {
                return Err(UsageError(format!(
                    "{} has one value, and two are given",
                    parameter.name
                )));
            }
            // Whatever these are written as, they lead to another path.
            if parameter.place == Place::Path && ["", ".", ".."].contains(&value) {
                return Err(UsageError(format!(
                    "{} is empty, or nothing but dots",
                    parameter.name
                )));
            }
            values.push((parameter.name.clone(), value.to_owned()));
        }
        let given = Self(values);
        let mut missing = operation
            .parameters
            .iter()
            .filter(|parameter| parameter.is_required);
        match missing.find(|parameter| given.of(&parameter.name).is_none()) {
            Some(parameter) => Err(UsageError(format!(
                "{} needs --param {}=<{}>; see fairlead api {} --help",
                operation.id, parameter.name, parameter.kind, operation.id
            ))),
            None => Ok(given),
        }
    }

    pub(super) fn of(&self, name: &str) -> Option<&str> {
        let given = self.0.iter().find(|(known, _)| known == name);
        given.map(|(_, value)| &**value)
    }

    /// In place of what was given before.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }
}

/// The parameter of this name, however its letters are cased.
fn find<'a>(operation: &'a Operation, name: &str) -> Result<&'a Parameter, UsageError> {
    let mut parameters = operation.parameters.iter();
    parameters
        .find(|parameter| parameter.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let known: Vec<&str> = operation
                .parameters
                .iter()
                .map(|parameter| &*parameter.name)
                .collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!(", but {near}"),
                None if known.is_empty() => "; it has none".to_owned(),
                None => format!("; it has {}", known.join(", ")),
            };
            UsageError(format!("{} has no parameter {name}{hint}", operation.id))
        })
}

/// What is sent, and as what.
pub(super) fn body(operation: &Operation, given: Option<&str>) -> anyhow::Result<Option<(String, Bytes)>> {
    let Some(wanted) = &operation.body else {
        return match given {
            Some(_) => Err(UsageError(format!("{} takes no body", operation.id)).into()),
            None => Ok(None),
        };
    };
    let Some(given) = given else {
        if wanted.is_required {
            let told = format!(
                "{} needs --body: a file, - for standard input, or JSON; see fairlead api {} --help",
                operation.id, operation.id
            );
            return Err(UsageError(told).into());
        }
        return Ok(None);
    };
    let bytes = content(given)?;
    let is_json = wanted.media_types.iter().any(|media_type| media_type == JSON);
    if is_json {
        // Where it is no JSON it is said here, with its place, rather than after it was sent.
        if let Err(error) = serde_json::from_slice::<Value>(&bytes) {
            return Err(UsageError(format!("the body is not JSON: {error}")).into());
        }
        return Ok(Some((JSON.to_owned(), bytes.into())));
    }
    let of_file = match Path::new(given).extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Some("text/csv"),
        Some("ndjson" | "jsonl") => Some("application/x-ndjson"),
        _ => None,
    };
    let of_file = of_file.filter(|of_file| wanted.media_types.iter().any(|media_type| media_type == of_file));
    match (of_file, &wanted.media_types[..]) {
        (Some(media_type), _) => Ok(Some((media_type.to_owned(), bytes.into()))),
        (None, [only]) => Ok(Some((only.clone(), bytes.into()))),
        (None, several) => Err(UsageError(format!(
            "{} takes {}: name a file that ends so",
            operation.id,
            several.join(" or ")
        ))
        .into()),
    }
}

fn content(given: &str) -> anyhow::Result<Vec<u8>> {
    if given.trim_start().starts_with(['{', '[']) {
        return Ok(given.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    if given == "-" {
        stdin()
            .lock()
            .take(MAX_BODY + 1)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        let file = fs::File::open(given).map_err(|error| {
            UsageError(format!(
                "cannot read {given}: {error}: --body is a file, - for standard input, or JSON"
            ))
        })?;
        file.take(MAX_BODY + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {given}"))?;
    }
    if bytes.len() as u64 > MAX_BODY {
        return Err(UsageError(
            "the body is larger than 64 MiB: fairlead import sends files as they are read".to_owned(),
        )
        .into());
    }
    Ok(bytes)
}

/// The call itself.
pub(super) fn call(operation: &Operation, given: &Given, body: Option<(String, Bytes)>) -> ApiCall {
    let mut path = operation.path.clone();
    let (mut query, mut headers) = (String::new(), Vec::new());
    for (name, value) in &given.0 {
        let of_name = operation
            .parameters
            .iter()
            .find(|parameter| parameter.name == *name);
        match of_name.map(|parameter| parameter.place) {
            Some(Place::Path) => path = path.replace(&format!("{{{name}}}"), &segment(value)),
            Some(Place::Query) => {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.push_str(name);
                query.push('=');
                query.push_str(&encoded(value));
            }
            Some(Place::Header) => headers.push((name.clone(), value.clone())),
            None => {}
        }
    }
    ApiCall {
        method: operation.method.clone(),
        path: path + &query,
        headers,
        body,
        accept: accept(operation),
    }
}

/// A value in a path: a blank is told by its number there.
fn segment(value: &str) -> String {
    encoded(value).replace('+', "%20")
}

fn accept(operation: &Operation) -> &'static str {
    if operation.streams() {
        "text/event-stream"
    } else {
        "*/*"
    }
}

impl Operation {
    /// Whether its answer goes on for as long as somebody reads it.
    pub(super) fn streams(&self) -> bool {
        let mut media_types = self.answers.iter().flat_map(|answer| &answer.media_types);
        media_types.any(|media_type| media_type == "text/event-stream")
    }
}

#[cfg(test)]
mod tests {
    use super::super::description::Description;
    use super::*;

    fn called(operation: &str, given: &[&str]) -> Result<ApiCall, String> {
        let api = Description::embedded();
        let operation = api.find(operation).unwrap();
        let given: Vec<String> = given.iter().map(|one| (*one).to_owned()).collect();
        let given = Given::read(operation, &given).map_err(|error| error.to_string())?;
        Ok(call(operation, &given, None))
    }

    #[test]
    fn each_parameter_goes_where_it_belongs_and_leads_nowhere_else() {
        let listed = called("listLeads", &["status=NEW", "q=a b&c=d", "Limit=5"]).unwrap();
        let changed = called("updateLead", &["id=../users/1", "if-match=\"7\""]).unwrap();

        assert_eq!(listed.path, "/api/v1/leads?status=NEW&q=a+b%26c%3Dd&limit=5");
        assert_eq!(changed.path, "/api/v1/leads/..%2Fusers%2F1");
        assert_eq!(changed.headers, [("If-Match".to_owned(), "\"7\"".to_owned())]);
    }

    #[test]
    fn what_is_missing_unknown_or_said_twice_is_told_before_anything_is_sent() {
        for (operation, given, told) in [
            ("getLead", &[][..], "needs --param id=<id>"),
            ("getLead", &["id=1", "idd=2"], "has no parameter idd, but id"),
            ("getLead", &["id=1", "id=2"], "two are given"),
            ("getLead", &["id="], "id is empty"),
            ("getLead", &["id=.."], "nothing but dots"),
            ("getLead", &["id"], "--param id=<value>"),
            ("getAdmission", &["x=1"], "it has none"),
        ] {
            let error = called(operation, given).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_body_is_json_where_json_is_taken() {
        let api = Description::embedded();
        let create = api.find("createLead").unwrap();

        let sent = body(create, Some(" {\"name\": \"Ann\"}")).unwrap().unwrap();
        let none = body(create, None).unwrap_err().to_string();
        let broken = body(create, Some("{\"name\"")).unwrap_err().to_string();
        let unwanted = body(api.find("getLead").unwrap(), Some("{}")).unwrap_err();

        assert_eq!((&*sent.0, &sent.1[..2]), (JSON, &b" {"[..]));
        assert!(none.contains("needs --body"), "{none}");
        assert!(broken.contains("not JSON"), "{broken}");
        assert!(unwanted.to_string().contains("takes no body"), "{unwanted}");
    }
}
