use fairlead_domain::events::FollowError;

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::TooMany(_) | FollowError::TooManyOfTenant(_) => {
                Self::client(Kind::TooManyStreams, error.to_string())
            }
            FollowError::Unavailable | FollowError::Closing => {
                Self::server(Kind::Unavailable, error).retry_after(1)
            }
        }
    }
}

impl Problematic for FollowError {
    const KINDS: &'static [Kind] = &[Kind::TooManyStreams, Kind::Unavailable];
}
