use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::Id;

use crate::fallback::misdirected;
use crate::problem::{Kind, Problem};
use crate::query::hyphenated;

/// The `{id}` of a path, as the id of a `T`.
#[derive(Debug)]
pub struct PathId<T>(pub Id<T>);

impl<T: 'static> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(hyphenated);
        ready(id.map(|id| Self(Id::from_uuid(id))).ok_or_else(|| {
            // `PATCH /leads/statistics` comes here too: the path is known, only not with this method.
            misdirected(request).unwrap_or_else(malformed)
        }))
    }
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        "the id in the path must be a UUID such as 01934f6e-7b1a-7cc3-98a4-0242ac120002",
    )
}
