//! JSON, with the names that an object has twice. Of those the last counts for most readers, the first for some.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Names that are told of one text.
const MOST: usize = 10;
/// Characters that are told of one name.
const MOST_OF_NAME: usize = 100;

/// Reads a value, and the names within it that stand twice in one object: `email`, `customFields.budget`.
pub(super) fn read(text: &str) -> serde_json::Result<(Value, Vec<String>)> {
    let mut repeated = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Noting {
        place: "",
        repeated: &mut repeated,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, repeated))
}

struct Noting<'a> {
    /// The names above, with a dot behind each.
    place: &'a str,
    repeated: &'a mut Vec<String>,
}

impl Noting<'_> {
    fn note(&mut self, name: &str) {
        let name: String = name.chars().take(MOST_OF_NAME).collect();
        let name = format!("{}{name}", self.place);
        if self.repeated.len() < MOST && !self.repeated.contains(&name) {
            self.repeated.push(name);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Noting<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Noting<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Noting {
            place: self.place,
            repeated: &mut *self.repeated,
        })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                self.note(&name);
            }
            let shown: String = name.chars().take(MOST_OF_NAME).collect();
            let place = format!("{}{shown}.", self.place);
            let value = entries.next_value_seed(Noting {
                place: &place,
                repeated: &mut *self.repeated,
            })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
