//! `Fairlead-Consistency`: an answer to a write names it, and a read that carries the name sees at least that write.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::access::TenantScope;
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;
use fairlead_telemetry::request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::problem::{Kind, Problem};

/// The header that carries the token, in both directions.
pub(crate) const CONSISTENCY: HeaderName = HeaderName::from_static("fairlead-consistency");
/// Says where an answer was read.
pub(crate) const READ_SOURCE: HeaderName = HeaderName::from_static("fairlead-read-source");
/// Asks for everything that was committed before, instead of for one write.
const STRONG: &str = "strong";

const VERSION: u8 = 2;
/// Version, timeline, position, mark.
const PAYLOAD: usize = 1 + 4 + 8 + 4;
const TAG: usize = 16;

/// Makes tokens of writes, and reads them.
///
/// A token is signed and says nothing of its tenant: one of another tenant is none.
#[derive(Clone)]
pub struct ConsistencyTokens {
    key: [u8; 32],
}

impl ConsistencyTokens {
    /// How many characters every token has.
    pub const LENGTH: usize = (PAYLOAD + TAG) * 4 / 3;

    /// Takes a secret that all processes of an installation share.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    fn seal(&self, tenant: TenantId, position: LogPosition) -> String {
        let mut sealed = Vec::with_capacity(PAYLOAD + TAG);
        sealed.push(VERSION);
        sealed.extend(position.timeline.to_be_bytes());
        sealed.extend(position.lsn.to_be_bytes());
        sealed.extend(position.mark.to_be_bytes());
        let tag = self.mac(tenant, &sealed).finalize().into_bytes();
        sealed.extend(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open(&self, tenant: TenantId, token: &str) -> Option<LogPosition> {
        let sealed = unwrap(token)?;
        let (payload, tag) = sealed.split_at_checked(PAYLOAD)?;
        self.mac(tenant, payload).verify_truncated_left(tag).ok()?;
        let (&[version], rest) = payload.split_first_chunk()?;
        let (timeline, rest) = rest.split_first_chunk()?;
        let (lsn, rest) = rest.split_first_chunk()?;
        let (mark, _) = rest.split_first_chunk()?;
        (version == VERSION).then_some(LogPosition {
            timeline: u32::from_be_bytes(*timeline),
            lsn: u64::from_be_bytes(*lsn),
            mark: u32::from_be_bytes(*mark),
        })
    }

    fn mac(&self, tenant: TenantId, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(payload);
        mac.update(tenant.as_uuid().as_bytes());
        mac
    }

    /// What a read asks for by its header.
    pub(crate) fn asked(&self, request: &HttpRequest, scope: &TenantScope) -> Result<Consistency, Problem> {
        let mut given = request.headers().get_all(CONSISTENCY);
        let token = match (given.next(), given.next()) {
            (None, _) => return Ok(Consistency::Eventual),
            (Some(token), None) => token.to_str().map_err(|_| malformed())?,
            (Some(_), Some(_)) => return Err(malformed()),
        };
        if token == STRONG {
            return Ok(Consistency::Strong);
        }
        match self.open(scope.tenant(), token) {
            Some(written) => Ok(Consistency::AtLeast(written)),
            // Given before the secret was changed, or by another release: whoever has kept it is to see its write, and
            // not to be refused until it forgets it. This asks for no more than the word does.
            None if unwrap(token).is_some() => Ok(Consistency::Strong),
            None => Err(malformed()),
        }
    }
}

/// Takes a token out of its letters, whoever has made it.
fn unwrap(token: &str) -> Option<Vec<u8>> {
    if token.len() != ConsistencyTokens::LENGTH {
        return None;
    }
    URL_SAFE_NO_PAD.decode(token).ok()
}

/// Every write that recorded something is named in its answer: no handler can forget it.
#[async_trait]
impl CommitListener for ConsistencyTokens {
    async fn committed(&self, tenant: TenantId, _: &[Recorded], position: LogPosition) {
        // Of a commit in doubt there is nothing that a read could ask for.
        if position == LogPosition::UNKNOWN {
            return;
        }
        if let Some(context) = request::current() {
            context.name_write(self.seal(tenant, position));
        }
    }
}

impl fmt::Debug for ConsistencyTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsistencyTokens(..)")
    }
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        "Fairlead-Consistency must be given once, as an answer of this tenant gave it, or be the word strong; \
         without it you still read what you wrote here within the last minute",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use fairlead_domain::access::SystemScope;
    use uuid::Uuid;

    use super::*;

    const WRITE: LogPosition = LogPosition {
        timeline: 3,
        lsn: 0x16_B374_D848,
        mark: 7,
    };

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn tokens() -> ConsistencyTokens {
        ConsistencyTokens::new([7; 32])
    }

    #[expect(clippy::disallowed_methods, reason = "a test acts for whom it likes")]
    fn asked(values: &[&str]) -> Result<Consistency, Problem> {
        let mut request = TestRequest::get();
        for value in values {
            request = request.append_header((CONSISTENCY, *value));
        }
        let scope = SystemScope::new("test of tokens").tenant(tenant(1));
        tokens().asked(&request.to_http_request(), &scope)
    }

    #[test]
    fn a_token_names_the_write() {
        let token = tokens().seal(tenant(1), WRITE);

        assert_eq!(token.len(), ConsistencyTokens::LENGTH);
        assert_eq!(tokens().open(tenant(1), &token), Some(WRITE));
        assert_eq!(asked(&[&token]).unwrap(), Consistency::AtLeast(WRITE));
    }

    #[test]
    fn a_read_may_ask_for_nothing_or_for_everything() {
        assert_eq!(asked(&[]).unwrap(), Consistency::Eventual);
        assert_eq!(asked(&["strong"]).unwrap(), Consistency::Strong);
    }

    #[test]
    fn a_token_that_was_altered_anywhere_cannot_be_read() {
        let token = tokens().seal(tenant(1), WRITE);

        for place in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(tokens().open(tenant(1), &altered), None, "place {place}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_read_asks_for_everything() {
        let other = ConsistencyTokens::new([8; 32]).seal(tenant(1), WRITE);
        let of_another = tokens().seal(tenant(2), WRITE);

        for token in [other, of_another] {
            assert_eq!(tokens().open(tenant(1), &token), None);
            assert_eq!(asked(&[&token]).unwrap(), Consistency::Strong);
        }
    }

    #[test]
    fn what_is_no_token_is_refused_with_what_to_do() {
        for values in [
            &["", ""][..],
            &["AAAA"],
            &[""],
            &["strong", "strong"],
            &["Strong"],
        ] {
            let problem = asked(values).unwrap_err();
            assert_eq!(problem.kind(), Kind::MalformedRequest, "{values:?}");
            assert!(
                problem
                    .to_string()
                    .contains("as an answer of this tenant gave it")
            );
        }
    }
}
