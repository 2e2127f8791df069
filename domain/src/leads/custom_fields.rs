use serde_json::{Map, Value};

/// What a tenant keeps about a lead beyond our own fields: a JSON object, bounded in size and depth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomFields(Map<String, Value>);

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
    #[error("must have at most {} bytes as JSON", CustomFields::MAX_BYTES)]
    TooLarge,
}

impl CustomFields {
    pub const MAX_FIELDS: usize = 100;
    pub const MAX_NAME: usize = 100;
    pub const MAX_DEPTH: usize = 5;
    pub const MAX_BYTES: usize = 16 * 1024;

    pub fn parse(fields: Map<String, Value>) -> Result<Self, InvalidCustomFields> {
        if fields.len() > Self::MAX_FIELDS {
            return Err(InvalidCustomFields::TooMany);
        }
        for (name, value) in &fields {
            if !Self::is_name(name) {
                return Err(InvalidCustomFields::BadName);
            }
            check(value, 2)?;
        }
        let fields = Self(fields);
        if fields.to_json().len() > Self::MAX_BYTES {
            return Err(InvalidCustomFields::TooLarge);
        }
        Ok(fields)
    }

    /// Takes them back from where only those that `parse` has passed are kept.
    pub fn stored(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    pub fn is_name(name: &str) -> bool {
        !name.is_empty() && name.chars().count() <= Self::MAX_NAME && !name.chars().any(char::is_control)
    }

    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a JSON object serialises")
    }
}

// The parser that made the value bounds how deep this can recurse.
fn check(value: &Value, depth: usize) -> Result<(), InvalidCustomFields> {
    match value {
        // PostgreSQL's jsonb cannot hold U+0000.
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
