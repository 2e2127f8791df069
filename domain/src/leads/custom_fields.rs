use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// What a tenant keeps about a lead beyond our own fields: a JSON object, bounded in size and depth.
///
/// It is kept as text, since nearly always it is only passed on. The text has one form, which is that of PostgreSQL's
/// `jsonb` without the blanks: names by length and then by bytes, numbers without exponent. So it is the same before it
/// was stored and after, and two that say the same are the same text.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct CustomFields(Box<RawValue>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCustomFields {
    #[error("must have at most {} fields", CustomFields::MAX_FIELDS)]
    TooMany,
    #[error(
        "names must have 1 to {} characters and no control characters",
        CustomFields::MAX_NAME
    )]
    BadName,
    #[error("must be nested at most {} deep", CustomFields::MAX_DEPTH)]
    TooDeep,
    #[error("must not contain the character U+0000")]
    Nul,
    #[error("must not contain a number beyond {:e}", CustomFields::GREATEST)]
    TooGreat,
    #[error("must have at most {} bytes as JSON", CustomFields::MAX_BYTES)]
    TooLarge,
}

impl CustomFields {
    pub const MAX_FIELDS: usize = 100;
    pub const MAX_NAME: usize = 100;
    pub const MAX_DEPTH: usize = 5;
    pub const MAX_BYTES: usize = 16 * 1024;
    /// Of a number's size. Written in full, the greatest of all are read back as infinite.
    pub const GREATEST: f64 = 1e300;

    pub fn parse(fields: &Map<String, Value>) -> Result<Self, InvalidCustomFields> {
        if fields.len() > Self::MAX_FIELDS {
            return Err(InvalidCustomFields::TooMany);
        }
        for (name, value) in fields {
            if !Self::is_name(name) {
                return Err(InvalidCustomFields::BadName);
            }
            check(value, 2)?;
        }
        let mut json = String::new();
        write_object(&mut json, fields);
        if json.len() > Self::MAX_BYTES {
            return Err(InvalidCustomFields::TooLarge);
        }
        Ok(Self(RawValue::from_string(json).expect("it was written as JSON")))
    }

    /// Takes them back as `jsonb` shows what [`as_json`](Self::as_json) was; `None` when that is no object.
    pub fn stored(jsonb: &str) -> Option<Self> {
        let json = RawValue::from_string(without_blanks(jsonb)).ok()?;
        json.get().starts_with('{').then_some(Self(json))
    }

    pub fn is_name(name: &str) -> bool {
        !name.is_empty() && name.chars().count() <= Self::MAX_NAME && !name.chars().any(char::is_control)
    }

    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Takes the text apart; `None` when it has a number that is none of ours.
    pub fn to_map(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.as_json()).ok()
    }
}

impl Default for CustomFields {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).expect("it is JSON"))
    }
}

impl PartialEq for CustomFields {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for CustomFields {}

/// Stops soon after the text has become too long: a number of six characters may take three hundred here.
fn write_object(json: &mut String, fields: &Map<String, Value>) {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by(|(one, _), (other, _)| (one.len(), one.as_bytes()).cmp(&(other.len(), other.as_bytes())));
    json.push('{');
    for (place, (name, value)) in fields.into_iter().enumerate() {
        if json.len() > CustomFields::MAX_BYTES {
            return;
        }
        if place > 0 {
            json.push(',');
        }
        write_text(json, name);
        json.push(':');
        write_value(json, value);
    }
    json.push('}');
}

fn write_value(json: &mut String, value: &Value) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(json, number),
        Value::String(text) => write_text(json, text),
        Value::Array(items) => {
            json.push('[');
            for (place, item) in items.iter().enumerate() {
                if json.len() > CustomFields::MAX_BYTES {
                    return;
                }
                if place > 0 {
                    json.push(',');
                }
                write_value(json, item);
            }
            json.push(']');
        }
        Value::Object(fields) => write_object(json, fields),
    }
}

fn write_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).expect("a text serialises"));
}

/// As the type `numeric` shows it.
fn write_number(json: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        json.push_str(&number.to_string());
        return;
    };
    // It knows no negative zero.
    let float = if float == 0.0 { 0.0 } else { float };
    let before = json.len();
    // Writing to a `String` cannot fail. A float is shown without exponent, in the fewest digits that tell it apart.
    let _ = write!(json, "{float}");
    if !json[before..].contains('.') {
        json.push_str(".0");
    }
}

/// Drops what stands between the tokens.
fn without_blanks(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_text, mut is_escaped) = (false, false);
    let mut kept_from = 0;
    for (at, byte) in json.bytes().enumerate() {
        if in_text {
            in_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if byte == b'"' {
            in_text = true;
        } else if byte == b' ' {
            out.push_str(&json[kept_from..at]);
            kept_from = at + 1;
        }
    }
    out.push_str(&json[kept_from..]);
    out
}

// The parser that made the value bounds how deep this can recurse.
fn check(value: &Value, depth: usize) -> Result<(), InvalidCustomFields> {
    match value {
        // PostgreSQL's jsonb cannot hold U+0000.
        Value::Number(number)
            if number
                .as_f64()
                .is_some_and(|number| number.abs() > CustomFields::GREATEST) =>
        {
            Err(InvalidCustomFields::TooGreat)
        }
        Value::String(text) if text.contains('\0') => Err(InvalidCustomFields::Nul),
        Value::Array(_) | Value::Object(_) if depth > CustomFields::MAX_DEPTH => {
            Err(InvalidCustomFields::TooDeep)
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, item)| {
            if name.contains('\0') {
                return Err(InvalidCustomFields::Nul);
            }
            check(item, depth + 1)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> CustomFields {
        match value {
            Value::Object(fields) => CustomFields::parse(&fields).unwrap(),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn the_text_is_that_of_jsonb_without_blanks() {
        let written = fields(json!({
            "bb": [1, -2.5, 1e21, -0.0, 1e-7], "c": "a \"b\": c\u{1}", "a": {"y": null, "x": true}, "é": 18_446_744_073_709_551_615_u64,
        }));

        assert_eq!(
            written.as_json(),
            r#"{"a":{"x":true,"y":null},"c":"a \"b\": c\u0001","bb":[1,-2.5,1000000000000000000000.0,0.0,0.0000001],"é":18446744073709551615}"#
        );
        let jsonb = r#"{"a": {"x": true, "y": null}, "c": "a \"b\": c\u0001", "bb": [1, -2.5, 1000000000000000000000.0, 0.0, 0.0000001], "é": 18446744073709551615}"#;
        assert_eq!(CustomFields::stored(jsonb), Some(written));
    }

    #[test]
    fn what_is_no_object_is_not_taken_back() {
        assert_eq!(CustomFields::stored("[1]"), None);
        assert_eq!(CustomFields::stored("{"), None);
        assert_eq!(CustomFields::stored("{}"), Some(CustomFields::default()));
    }
}
