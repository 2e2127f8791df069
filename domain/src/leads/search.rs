use std::fmt;

/// Words to look for in names and companies: all must occur, the last one at least as the beginning of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(Vec<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearch {
    #[error("must contain at least one letter or digit")]
    NoWord,
    #[error("must have at most {} characters", SearchText::MAX_LENGTH)]
    TooLong,
    #[error("must have at most {} words", SearchText::MAX_WORDS)]
    TooManyWords,
}

impl SearchText {
    pub const MAX_LENGTH: usize = 200;
    pub const MAX_WORDS: usize = 10;

    /// Takes the words out of what a person typed; everything that is not a letter or digit parts words.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        if text.len() > 4 * Self::MAX_LENGTH || text.chars().count() > Self::MAX_LENGTH {
            return Err(InvalidSearch::TooLong);
        }
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        match words.len() {
            0 => Err(InvalidSearch::NoWord),
            count if count > Self::MAX_WORDS => Err(InvalidSearch::TooManyWords),
            _ => Ok(Self(words)),
        }
    }

    /// Takes words that were taken out before.
    pub fn restore(words: Vec<String>) -> Result<Self, InvalidSearch> {
        match words.len() {
            0 => Err(InvalidSearch::NoWord),
            count if count > Self::MAX_WORDS => Err(InvalidSearch::TooManyWords),
            _ => Ok(Self(words)),
        }
    }

    /// Lower case; the last one is a prefix. Letters and digits alone, so they need no quoting in a `tsquery`.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
