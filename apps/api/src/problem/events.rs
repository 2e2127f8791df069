use fairlead_domain::events::{EventsDropped, FollowError};

use super::{Kind, Problem};
use crate::realtime::SubscribeError;
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

impl From<EventsDropped> for Problem {
    fn from(error: EventsDropped) -> Self {
        Self::client(Kind::EventsDropped, error.to_string())
    }
}

impl Problematic for EventsDropped {
    const KINDS: &'static [Kind] = &[Kind::EventsDropped];
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Dropped(error) => error.into(),
            SubscribeError::Store(error) => error.into(),
        }
    }
}
