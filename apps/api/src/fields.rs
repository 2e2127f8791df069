//! `fields=id,name`: answers with the named top-level fields alone.

use std::marker::PhantomData;

use serde::{Serialize, Serializer};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::query::{FromQuery, QueryReader};

/// A view whose fields can be chosen.
pub trait Projected: Serialize {
    /// The names of all its top-level fields, as JSON has them.
    const FIELDS: &'static [&'static str];
}

/// Which fields of `T` are wanted.
#[derive(Debug)]
pub struct Fields<T> {
    names: Option<Vec<&'static str>>,
    _view: PhantomData<fn() -> T>,
}

impl<T> Clone for Fields<T> {
    fn clone(&self) -> Self {
        Self {
            names: self.names.clone(),
            _view: PhantomData,
        }
    }
}

/// The parameter that [`Fields`] reads, for the specification.
#[derive(Debug)]
pub struct FieldsQuery<T>(PhantomData<fn() -> T>);

impl<T: Projected> IntoParams for FieldsQuery<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = serde_json::json!({
            "name": "fields",
            "in": "query",
            "required": false,
            "description": "The top-level fields wanted, with commas between; all when absent.",
            "style": "form",
            "explode": false,
            "schema": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": true,
                "items": {"type": "string", "enum": T::FIELDS},
            },
        });
        vec![serde_json::from_value(parameter).expect("built as a parameter")]
    }
}

impl<T: Projected> FromQuery for Fields<T> {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            names: query.words("fields", T::FIELDS),
            _view: PhantomData,
        }
    }
}

impl<T: Projected> Fields<T> {
    /// Shows the wanted fields of a view.
    pub fn of(&self, view: T) -> Projection<'_, T> {
        Projection {
            view,
            names: self.names.as_deref(),
        }
    }

    /// Names the representation, for its entity tag; `None` when it is the usual one.
    pub fn variant(&self) -> Option<String> {
        self.names
            .as_ref()
            .map(|names| format!("fields={}", names.join(",")))
    }
}

/// A view, or the wanted part of one.
#[derive(Debug)]
pub struct Projection<'a, T> {
    view: T,
    names: Option<&'a [&'static str]>,
}

impl<T: Serialize> Serialize for Projection<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(names) = self.names else {
            return self.view.serialize(serializer);
        };
        let whole = serde_json::to_value(&self.view).map_err(serde::ser::Error::custom)?;
        let chosen = names
            .iter()
            .filter_map(|name| whole.get(name).map(|value| (name, value)));
        serializer.collect_map(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[derive(Debug, Serialize)]
    struct View {
        id: u8,
        name: &'static str,
    }

    impl Projected for View {
        const FIELDS: &'static [&'static str] = &["id", "name"];
    }

    fn show(query: &str) -> Result<String, Problem> {
        let fields = QueryReader::parse::<Fields<View>>(query)?;
        Ok(serde_json::to_string(&fields.of(View { id: 1, name: "a" })).unwrap())
    }

    #[test]
    fn only_the_named_fields_are_shown() {
        assert_eq!(show("").unwrap(), r#"{"id":1,"name":"a"}"#);
        assert_eq!(show("fields=name").unwrap(), r#"{"name":"a"}"#);
        assert_eq!(show("fields=name,id").unwrap().len(), show("").unwrap().len());
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        let problem = show("fields=id,colour").unwrap_err().to_string();

        assert!(
            problem.contains("colour") && problem.contains("id, name"),
            "{problem}"
        );
    }

    #[test]
    fn the_representation_has_a_name_of_its_own() {
        let variant = |query| QueryReader::parse::<Fields<View>>(query).unwrap().variant();

        assert_eq!(variant(""), None);
        assert_eq!(variant("fields=id").as_deref(), Some("fields=id"));
    }
}
