//! Queries: every parameter is known, given once, and of its kind; all faults are told at once.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::clock;
use fairlead_domain::invalid::Faults;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::moment;
use crate::problem::{Kind, Problem};

/// The query of an operation, read as `T`.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

/// What an operation takes as its query.
///
/// The names read here must be those that the type documents by `IntoParams`; a test of the specification holds both
/// together.
pub trait FromQuery: Sized {
    /// Takes the parameters. Faults are noted in `query`, so the value counts only when there were none.
    fn read(query: &mut QueryReader) -> Self;
}

impl<T: FromQuery + 'static> FromRequest for QueryOf<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(QueryReader::parse(request.query_string()).map(Self))
    }
}

/// The query of an operation that takes none.
#[derive(Debug)]
pub struct NoQuery;

impl FromQuery for NoQuery {
    fn read(_: &mut QueryReader) -> Self {
        Self
    }
}

/// Hands out parameters by name and notes what is wrong with them.
#[derive(Debug)]
pub struct QueryReader {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Faults,
}

impl QueryReader {
    /// Reads a whole query string as `T`.
    pub fn parse<T: FromQuery>(query: &str) -> Result<T, Problem> {
        let pairs = serde_urlencoded::from_str(query).map_err(|_| malformed())?;
        let mut reader = Self {
            pairs,
            known: Vec::new(),
            faults: Faults::default(),
        };
        let value = T::read(&mut reader);
        reader.refuse_unknown();
        reader.faults.finish().map_err(Problem::invalid_parameters)?;
        Ok(value)
    }

    /// The whole query in normal form: the same for queries that mean the same in another order or spelling.
    pub fn normal(&self) -> String {
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_unstable();
        serde_urlencoded::to_string(pairs).expect("texts can be written as a query")
    }

    /// One line of text of at most `max` characters.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.parsed(name, |text| match text.chars().count() {
            count if count > max => Err(format!("must have at most {max} characters, has {count}")),
            _ if text.chars().any(char::is_control) => Err("must not contain control characters".to_owned()),
            _ => Ok(text.to_owned()),
        })
    }

    /// A whole number within a range.
    pub fn integer<N>(&mut self, name: &'static str, range: RangeInclusive<N>) -> Option<N>
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        self.parsed(name, |text| {
            // `parse` would take a leading plus, which in a query is a mistyped space.
            let number = if text.starts_with('+') {
                None
            } else {
                text.parse().ok()
            };
            number
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, |text| text.parse().map_err(|_| "must be true or false"))
    }

    /// One of several words; `parse` knows which, `all` lists them.
    pub fn choice<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        all: impl IntoIterator<Item = &'static str>,
    ) -> Option<T> {
        self.parsed(name, |text| {
            parse(text).ok_or_else(|| {
                format!(
                    "must be one of {}",
                    all.into_iter().collect::<Vec<_>>().join(", ")
                )
            })
        })
    }

    pub fn uuid(&mut self, name: &'static str) -> Option<Uuid> {
        self.parsed(name, parse_uuid)
    }

    /// A moment by RFC 3339.
    pub fn moment(&mut self, name: &'static str) -> Option<OffsetDateTime> {
        self.parsed(name, |text| {
            let moment = moment::parse(text).map_err(str::to_owned)?;
            clock::stored(moment).map_err(|error| error.to_string())
        })
    }

    /// Words with commas between; each must be in `known`, and only once.
    pub fn words(&mut self, name: &'static str, known: &'static [&'static str]) -> Option<Vec<&'static str>> {
        self.parsed(name, |text| {
            let mut words = Vec::new();
            for word in text.split(',') {
                let Some(word) = known.iter().find(|known| **known == word) else {
                    return Err(format!("has {word:?}, which is none of {}", known.join(", ")));
                };
                if words.contains(word) {
                    return Err(format!("has {word} twice"));
                }
                words.push(*word);
            }
            Ok(words)
        })
    }

    /// Takes a parameter as it is and parses it; `None` when it is absent or faulty.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self
            .pairs
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        let fault = if values.next().is_some() {
            "must be given only once".to_owned()
        } else if value.is_empty() {
            "must not be empty; leave the parameter out instead".to_owned()
        } else {
            match parse(value) {
                Ok(value) => return Some(value),
                Err(error) => error.to_string(),
            }
        };
        self.fault(name, fault);
        None
    }

    /// Like [`parsed`](Self::parsed) for a parameter that must be there.
    pub fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.pairs.iter().all(|(given, _)| given != name) {
            self.fault(name, "is required");
        }
        self.parsed(name, parse)
    }

    /// Notes what is wrong with a parameter.
    pub fn fault(&mut self, name: &'static str, detail: impl Into<String>) {
        self.faults.add(name, detail);
    }

    fn refuse_unknown(&mut self) {
        for (name, _) in &self.pairs {
            if !self.known.contains(&name.as_str()) {
                let known = if self.known.is_empty() {
                    "none".to_owned()
                } else {
                    self.known.join(", ")
                };
                let name: String = name.chars().take(100).collect();
                self.faults.add(
                    name,
                    format!("is not a parameter of this operation; it has {known}"),
                );
            }
        }
    }
}

/// Reads a UUID, or says what one looks like.
pub(crate) fn parse_uuid(text: &str) -> Result<Uuid, &'static str> {
    hyphenated(text).ok_or("must be a UUID such as 01934f6e-7b1a-7cc3-98a4-0242ac120002")
}

/// Reads a UUID in its usual form alone: 36 characters with hyphens.
pub(crate) fn hyphenated(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        "the query is not of the form name=value&name=value",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Search {
        active: Option<bool>,
        fields: Option<Vec<&'static str>>,
    }

    impl FromQuery for Search {
        fn read(query: &mut QueryReader) -> Self {
            Self {
                active: query.boolean("active"),
                fields: query.words("fields", &["id", "name"]),
            }
        }
    }

    fn fault(query: &str) -> String {
        QueryReader::parse::<Search>(query).unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_read_by_name() {
        let search = QueryReader::parse::<Search>("fields=name,id&active=true").unwrap();

        assert_eq!(
            (search.active, search.fields),
            (Some(true), Some(vec!["name", "id"]))
        );
    }

    #[test]
    fn the_normal_form_does_not_depend_on_order_and_spelling() {
        let normal = |query: &str| {
            QueryReader {
                pairs: serde_urlencoded::from_str(query).unwrap(),
                known: Vec::new(),
                faults: Faults::default(),
            }
            .normal()
        };

        assert_eq!(normal("b=2&a=x%20y"), normal("a=x+y&b=%32"));
        assert_eq!(normal("a=x%26b%3D2"), "a=x%26b%3D2");
        assert_ne!(normal("a=x%26b%3D2"), normal("a=x&b=2"));
        assert_eq!(normal(""), "");
    }

    #[test]
    fn each_fault_is_told_with_what_would_be_right() {
        assert!(
            fault("activ=true")
                .contains("activ: is not a parameter of this operation; it has active, fields")
        );
        assert!(fault("active=true&active=true").contains("only once"));
        assert!(fault("active=").contains("must not be empty"));
        assert!(fault("active=yes").contains("true or false"));
        assert!(fault("fields=id,colour").contains(r#"has "colour", which is none of id, name"#));
        assert!(fault("fields=id,id").contains("id twice"));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        assert!(fault("active=yes&fields=&x=1").contains("3 values"));
    }
}
