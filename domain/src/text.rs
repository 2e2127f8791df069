//! Text from outside: trimmed, of bounded length, without control characters.

use std::fmt;

/// Why a text was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most {max} characters, has {actual}")]
    TooLong { max: usize, actual: usize },
    #[error("must not contain control characters")]
    ControlCharacter,
    #[error("must be an e-mail address such as ann@example.com")]
    NotAnEmail,
    #[error("must be a phone number of 5 to 20 digits, such as +1 555 010 0123")]
    NotAPhone,
}

/// One line of text, trimmed, of 1 to `max` characters and no control characters.
pub fn line(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    bounded(text, max)?;
    if text.chars().any(char::is_control) {
        return Err(InvalidText::ControlCharacter);
    }
    Ok(text.to_owned())
}

/// Prose of 1 to `max` characters: line breaks and tabs are kept, other control characters refused.
pub fn prose(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    bounded(text, max)?;
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(InvalidText::ControlCharacter);
    }
    Ok(text.to_owned())
}

fn bounded(text: &str, max: usize) -> Result<(), InvalidText> {
    // Bytes first: counting the characters of a body of megabytes is work for nothing.
    let actual = if text.len() > 4 * max {
        text.len()
    } else {
        text.chars().count()
    };
    if actual > max {
        Err(InvalidText::TooLong { max, actual })
    } else {
        Ok(())
    }
}

/// An e-mail address: one `@`, a local part, a domain of labels (RFC 5321 lengths). Kept as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let text = line(text, 254)?;
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidText::NotAnEmail)?;
        let local_is_fine = !local.is_empty()
            && local.len() <= 64
            && !local
                .chars()
                .any(|c| c.is_whitespace() || matches!(c, '@' | ',' | ';' | '<' | '>' | '"'));
        let domain_is_fine = domain.contains('.')
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            });
        if local_is_fine && domain_is_fine {
            Ok(Self(text))
        } else {
            Err(InvalidText::NotAnEmail)
        }
    }

    /// Takes one back from where only those that `parse` has passed are kept.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// The form in which two addresses are compared: lower case.
    pub fn normalized(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A phone number as people write it, with 5 to 20 digits. Kept as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let text = line(text, 40)?;
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let written_as_one = text.chars().all(|c| {
            c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '-' | '.' | '/' | 'x' | '#' | ',')
        });
        if (5..=20).contains(&digits) && written_as_one {
            Ok(Self(text))
        } else {
            Err(InvalidText::NotAPhone)
        }
    }

    /// Takes one back from where only those that `parse` has passed are kept.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// The form in which two numbers are compared: digits alone.
    pub fn normalized(&self) -> String {
        self.0.chars().filter(char::is_ascii_digit).collect()
    }
}
