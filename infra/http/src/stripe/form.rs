use std::fmt::Display;

use url::form_urlencoded::Serializer;

/// Names and values, as `application/x-www-form-urlencoded` has them.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(&'static str, String)>);

impl Form {
    pub(super) fn add(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    pub(super) fn add_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.add(name, value),
            None => self,
        }
    }

    pub(super) fn finish(self) -> String {
        Serializer::new(String::new()).extend_pairs(self.0).finish()
    }
}
