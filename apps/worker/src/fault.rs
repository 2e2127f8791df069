use std::error::Error;

/// What is kept of a fault: an answer of an upstream may be a page.
const CHARACTERS: usize = 2_000;

/// An error with its causes, in one line that PostgreSQL takes.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    let printed = |character: char| if character.is_control() { ' ' } else { character };
    told.chars().take(CHARACTERS).map(printed).collect()
}
