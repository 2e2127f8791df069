//! What is wrong with an input, field by field.

use std::borrow::Cow;
use std::fmt;

/// One field that cannot be accepted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field as the caller names it: `email`, `customFields`, `agent.rating`.
    pub field: Cow<'static, str>,
    /// What is wrong and what would be right, in words for the caller.
    pub detail: String,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            field: visible(field.into()),
            detail: visible(detail.into().into()).into_owned(),
        }
    }
}

/// Faults quote what they found. Control characters are no help to who reads them, and some of those who keep faults
/// cannot keep all of them.
fn visible(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.contains(char::is_control) {
        let shown = text.replace(char::is_control, "\u{fffd}");
        Cow::Owned(shown)
    } else {
        text
    }
}

/// Every field of an input that cannot be accepted; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError::new(field, detail)])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FieldError { field, detail }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {detail}")?;
        }
        Ok(())
    }
}

/// Collects the faults of an input, so that a caller learns of all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, detail: impl Into<String>) {
        self.0.push(FieldError::new(field, detail));
    }

    pub fn add_all(&mut self, faults: impl IntoIterator<Item = FieldError>) {
        self.0.extend(faults);
    }

    /// Keeps the value, or notes why there is none.
    pub fn keep<T>(&mut self, field: &'static str, parsed: Result<T, impl fmt::Display>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// Like [`keep`](Self::keep) for a field that may be absent.
    pub fn keep_optional<T, E: fmt::Display>(
        &mut self,
        field: &'static str,
        parsed: Option<Result<T, E>>,
    ) -> Option<T> {
        parsed.and_then(|parsed| self.keep(field, parsed))
    }

    /// Succeeds when nothing was noted.
    pub fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Invalid(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_get_into_faults() {
        let fault = FieldError::new("x\u{0}".to_owned(), "is \"a\u{0}\nb\"; must be one");

        assert_eq!(
            (&*fault.field, &*fault.detail),
            ("x\u{fffd}", "is \"a\u{fffd}\u{fffd}b\"; must be one")
        );
    }
}
