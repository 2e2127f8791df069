//! What somebody meant who has misspelt it.

/// What is less like than this was hardly meant (Jaro-Winkler).
const NEAR: f64 = 0.85;

/// The one of the candidates that somebody who wrote `text` is likely to have meant, however its letters are cased.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let likeness = |candidate: &str| strsim::jaro_winkler(&text, &candidate.to_lowercase());
    let (likeness, candidate) = candidates
        .map(|candidate| (likeness(candidate), candidate))
        .max_by(|left, right| left.0.total_cmp(&right.0))?;
    (likeness > NEAR).then_some(candidate)
}
