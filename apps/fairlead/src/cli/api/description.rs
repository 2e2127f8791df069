//! What the API can do, by the description that the server answers at `/openapi.json`: the same code has written both.

use fairlead_api::spec;
use serde_json::Value;

use crate::nearest::nearest;
use crate::remote::UsageError;

/// All operations, in the order of their paths.
#[derive(Debug)]
pub(super) struct Description {
    document: &'static Value,
    pub(super) operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    /// In capitals.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) tag: String,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) access: Access,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
}

/// Who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Everybody,
    /// Users of a tenant, and its API keys.
    Tenant,
    /// Users of a tenant.
    User,
    Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) is_required: bool,
    /// What it is, in some words: `one of NEW, CLOSED`.
    pub(super) kind: String,
    pub(super) description: String,
    /// A value for an example; `None`: nobody has named one.
    pub(super) example: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) media_types: Vec<String>,
    pub(super) is_required: bool,
    pub(super) fields: Vec<Field>,
    pub(super) example: Option<Value>,
}

/// What a body of JSON may have.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) is_required: bool,
    pub(super) kind: String,
    pub(super) description: String,
}

/// What is answered with success.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) description: String,
    pub(super) media_types: Vec<String>,
    /// The name of the schema of what is answered as JSON.
    pub(super) schema: Option<String>,
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl Description {
    /// That of this version.
    pub(super) fn embedded() -> Self {
        let document = spec::openapi();
        let mut operations = Vec::new();
        for (path, item) in entries(&document["paths"]) {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    operations.push(read(document, path, method, operation));
                }
            }
        }
        Self { document, operations }
    }

    /// The operation of this name, however its letters are cased.
    pub(super) fn find(&self, id: &str) -> Result<&Operation, UsageError> {
        let found = self.operations.iter();
        let mut found = found.filter(|operation| operation.id.eq_ignore_ascii_case(id));
        found.next().ok_or_else(|| {
            let names = self.operations.iter().map(|operation| &*operation.id);
            let hint = nearest(id, names).map_or_else(String::new, |near| format!(", but {near}"));
            UsageError(format!(
                "there is no operation {id}{hint}: fairlead api --list shows all"
            ))
        })
    }

    /// In what order the fields of a schema were written down: those that are always there first.
    pub(super) fn order(&self, schema: &str) -> Vec<String> {
        let schema = resolve(self.document, &self.document["components"]["schemas"][schema]);
        let mut names: Vec<String> = texts(&schema["required"]);
        for (name, _) in entries(&schema["properties"]) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Of which schema the items of a list are.
    pub(super) fn of_items(&self, list: &str) -> Option<&str> {
        let list = resolve(self.document, &self.document["components"]["schemas"][list]);
        name_of(&list["properties"]["items"]["items"])
    }
}

/// The names of all operations.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    let items = entries(&spec::openapi()["paths"]).map(|(_, item)| item);
    items.flat_map(|item| {
        METHODS
            .iter()
            .filter_map(|method| item[*method]["operationId"].as_str())
    })
}

fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
    let parameters = array(&operation["parameters"]).iter();
    let body = &operation["requestBody"];
    Operation {
        id: text("operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        tag: operation["tags"][0].as_str().unwrap_or_default().to_owned(),
        summary: text("summary").trim_end_matches('.').to_owned(),
        description: text("description"),
        access: access(&operation["security"]),
        parameters: parameters
            .filter_map(|parameter| read_parameter(document, parameter))
            .collect(),
        body: body.is_object().then(|| read_body(document, body)),
        answers: entries(&operation["responses"])
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(status, answer)| read_answer(status, resolve(document, answer)))
            .collect(),
    }
}

fn access(security: &Value) -> Access {
    let may = |scheme: &str| array(security).iter().any(|way| way.get(scheme).is_some());
    if may("operatorAuth") {
        Access::Operator
    } else if may("tenantKey") {
        Access::Tenant
    } else if may("bearerAuth") {
        Access::User
    } else {
        Access::Everybody
    }
}

fn read_parameter(document: &Value, parameter: &Value) -> Option<Parameter> {
    let parameter = resolve(document, parameter);
    let schema = resolve(document, &parameter["schema"]);
    let example = [&parameter["example"], &schema["example"], &schema["default"]];
    Some(Parameter {
        name: parameter["name"].as_str()?.to_owned(),
        place: match parameter["in"].as_str()? {
            "path" => Place::Path,
            "query" => Place::Query,
            "header" => Place::Header,
            _ => return None,
        },
        is_required: parameter["required"] == true,
        kind: kind(document, &parameter["schema"]),
        description: one_line(parameter["description"].as_str().unwrap_or_default()),
        example: example.into_iter().find(|value| !value.is_null()).map(plain),
    })
}

fn read_body(document: &Value, body: &Value) -> Body {
    let content = &body["content"];
    let json = &content["application/json"];
    let schema = resolve(document, &json["schema"]);
    let required = texts(&schema["required"]);
    let mut fields: Vec<Field> = entries(&schema["properties"])
        .map(|(name, field)| Field {
            name: name.clone(),
            is_required: required.contains(name),
            kind: kind(document, field),
            description: one_line(
                field["description"]
                    .as_str()
                    .or_else(|| resolve(document, field)["description"].as_str())
                    .unwrap_or_default(),
            ),
        })
        .collect();
    fields.sort_by_key(|field| !field.is_required);
    let examples = entries(&json["examples"]).map(|(_, example)| &example["value"]);
    let mut example = [&json["example"], &schema["example"]].into_iter().chain(examples);
    Body {
        media_types: entries(content).map(|(name, _)| name.clone()).collect(),
        is_required: body["required"] == true,
        fields,
        example: example.find(|value| !value.is_null()).cloned(),
    }
}

fn read_answer(status: &str, answer: &Value) -> Answer {
    let content = &answer["content"];
    Answer {
        status: status.to_owned(),
        description: one_line(answer["description"].as_str().unwrap_or_default()),
        media_types: entries(content).map(|(name, _)| name.clone()).collect(),
        schema: name_of(&content["application/json"]["schema"]).map(str::to_owned),
    }
}

/// What a value is, in some words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    let values = texts(&schema["enum"]);
    if !values.is_empty() {
        return format!("one of {}", values.join(", "));
    }
    for several in ["oneOf", "anyOf"] {
        let kinds: Vec<String> = array(&schema[several])
            .iter()
            .map(|one| kind(document, one))
            .collect();
        if !kinds.is_empty() {
            return kinds.join(" or ");
        }
    }
    if !schema["const"].is_null() {
        return plain(&schema["const"]);
    }
    let mut types = texts(&schema["type"]);
    types.extend(schema["type"].as_str().map(str::to_owned));
    let of_one = |name: &str| match (name, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(document, &schema["items"])),
        ("string", Some("uuid")) => "id".to_owned(),
        ("string", Some("date-time")) => "moment".to_owned(),
        ("string", Some(format)) => format.to_owned(),
        ("string", None) => "text".to_owned(),
        ("boolean", _) => "true or false".to_owned(),
        (other, _) => other.to_owned(),
    };
    let mut kind = types
        .iter()
        .map(|name| of_one(name))
        .collect::<Vec<_>>()
        .join(" or ");
    if kind.is_empty() {
        "anything".clone_into(&mut kind);
    }
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => kind,
        (least, Value::Null) => format!("{kind} of {least} or more"),
        (Value::Null, most) => format!("{kind} of {most} or less"),
        (least, most) => format!("{kind} from {least} to {most}"),
    }
}

/// What a reference refers to; anything else is itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    match reference.and_then(|pointer| document.pointer(pointer)) {
        Some(found) => resolve(document, found),
        None => value,
    }
}

/// What a schema is called; where it is one of several, the first.
fn name_of(schema: &Value) -> Option<&str> {
    let schema = ["anyOf", "oneOf"]
        .iter()
        .find_map(|several| array(&schema[*several]).first())
        .unwrap_or(schema);
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<String> {
    array(value).iter().map(plain).collect()
}

/// A value as it is written in a URL, or shown: texts without their quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_description_is_known_with_who_may_call_it() {
        let api = Description::embedded();

        let create = api.find("createLead").unwrap();
        let path = api.find("getTableStats").unwrap();
        assert!(api.operations.len() > 100);
        assert_eq!(
            (&*create.method, &*create.path, create.access),
            ("POST", "/api/v1/leads", Access::Tenant)
        );
        assert_eq!(path.access, Access::Operator);
        assert_eq!(
            (path.parameters[0].place, path.parameters[0].is_required),
            (Place::Path, true)
        );
        assert_eq!(api.find("login").unwrap().access, Access::Everybody);
        assert_eq!(api.find("createApiKey").unwrap().access, Access::User);
        for operation in &api.operations {
            assert!(!operation.summary.is_empty(), "{} says nothing", operation.id);
        }
    }

    #[test]
    fn what_is_misspelt_is_told_with_what_may_have_been_meant() {
        let told = Description::embedded().find("listLead").unwrap_err().to_string();

        assert!(told.contains("but listLeads"), "{told}");
    }

    #[test]
    fn values_are_told_in_words() {
        let document = serde_json::json!({ "components": { "schemas": {
            "Status": { "type": "string", "enum": ["NEW", "CLOSED"] } } } });
        let said = |schema: Value| kind(&document, &schema);

        assert_eq!(
            said(
                serde_json::json!({ "oneOf": [{ "$ref": "#/components/schemas/Status" }, { "type": "null" }] })
            ),
            "one of NEW, CLOSED or null"
        );
        assert_eq!(
            said(serde_json::json!({ "type": "integer", "minimum": 1, "maximum": 200 })),
            "integer from 1 to 200"
        );
        assert_eq!(
            said(serde_json::json!({ "type": "array", "items": { "type": "string", "format": "uuid" } })),
            "list of id"
        );
    }
}
