//! Text from outside: trimmed, composed, of bounded length, without control characters.
//!
//! What looks the same is the same: text is kept in its composed form (NFC, Unicode Standard Annex #15), and of one line
//! what shows nothing is left out, such as what turns the direction of writing, by which a name could pass for another.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

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

/// One line of text, trimmed, of 1 to `max` characters and no control characters. What shows nothing is left out.
pub fn line(text: &str, max: usize) -> Result<String, InvalidText> {
    not_far_beyond(text, max)?;
    let text = composed(text);
    let text = if text.contains(shows_nothing) {
        Cow::Owned(text.replace(shows_nothing, ""))
    } else {
        text
    };
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
    not_far_beyond(text, max)?;
    let text = composed(text);
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

/// The text in its composed form.
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// What changes nothing but where and in which direction other characters stand: zero-width spaces, the embeddings,
/// overrides and isolates of bidirectional text, and the marks of annotations. The marks and joiners that scripts and emoji
/// are written with stay.
fn shows_nothing(c: char) -> bool {
    matches!(
        c,
        '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Spares the work on what is too long in any form: composed, it would not have a quarter of its bytes.
fn not_far_beyond(text: &str, max: usize) -> Result<(), InvalidText> {
    if text.len() > 16 * max {
        return Err(InvalidText::TooLong {
            max,
            actual: text.len(),
        });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        let composed = "Andr\u{e9} Fran\u{e7}ois";

        assert_eq!(line("Andre\u{301} Franc\u{327}ois", 16).unwrap(), composed);
        assert_eq!(prose("Andre\u{301} Franc\u{327}ois", 16).unwrap(), composed);
        assert_eq!(line(composed, 14).unwrap(), composed);
    }

    #[test]
    fn what_shows_nothing_is_left_out_of_a_line() {
        // As telephones copy a number, and as a file name passes for another.
        assert_eq!(
            line("\u{202a}+1 555 010 0123\u{202c}", 40).unwrap(),
            "+1 555 010 0123"
        );
        assert_eq!(line("invoice\u{202e}fdp.exe", 40).unwrap(), "invoicefdp.exe");
        assert_eq!(line("Ac\u{200b}me\u{feff}", 4).unwrap(), "Acme");
        assert_eq!(line(" \u{200b} \u{2066}\u{2069}", 40), Err(InvalidText::Empty));
    }

    #[test]
    fn what_scripts_and_emoji_are_written_with_stays() {
        for text in [
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{1f469}\u{200d}\u{1f680}",
            "\u{5d0}\u{200f}!",
        ] {
            assert_eq!(line(text, 40).unwrap(), text);
        }
    }

    #[test]
    fn control_characters_are_refused_and_length_counts_what_is_kept() {
        for refused in ["a\u{0}b", "a\nb", "a\u{7f}b", "a\u{9b}b"] {
            assert_eq!(
                line(refused, 40),
                Err(InvalidText::ControlCharacter),
                "{refused:?}"
            );
        }
        assert_eq!(prose("a\nb\tc", 40).unwrap(), "a\nb\tc");
        assert_eq!(prose("a\u{1b}b", 40), Err(InvalidText::ControlCharacter));
        assert!(matches!(
            line("abcde", 4),
            Err(InvalidText::TooLong { max: 4, actual: 5 })
        ));
        assert!(matches!(
            line(&"\u{200b}".repeat(1_000), 4),
            Err(InvalidText::TooLong { .. })
        ));
    }
}
