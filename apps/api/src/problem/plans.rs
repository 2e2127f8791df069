use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::plans::AnalyseError;

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<AnalyseError> for Problem {
    fn from(error: AnalyseError) -> Self {
        match error {
            AnalyseError::TooLong => Self::client(Kind::BodyTooLarge, error.to_string()),
            AnalyseError::Refused(why) => Self::invalid(Invalid::field("sql", why)),
            AnalyseError::Rejected { .. } | AnalyseError::TooSlow(_) => {
                Self::invalid(Invalid::field("sql", error.to_string()))
            }
            AnalyseError::Busy => Self::server(Kind::Overloaded, error),
            AnalyseError::Store(error) => error.into(),
        }
    }
}

impl Problematic for AnalyseError {
    const KINDS: &'static [Kind] = &[Kind::BodyTooLarge, Kind::InvalidInput, Kind::Overloaded];
}
