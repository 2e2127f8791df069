use actix_web::http::header::{self, HeaderMap};

use super::Coding;

/// What `Accept-Encoding` asks for, of what we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preference {
    pub(crate) coding: Coding,
    /// The client would rather have a short answer encoded than as it is.
    pub(crate) refuses_identity: bool,
}

/// Reads `Accept-Encoding` (RFC 9110, section 12.5.3). `None`: the answer is sent as it is, because the client wants it
/// so, or accepts none of our codings.
pub(crate) fn negotiate(request: &HeaderMap) -> Option<Preference> {
    let mut weights = Weights::default();
    for value in request.get_all(header::ACCEPT_ENCODING) {
        // What is not text names no coding of ours.
        for item in value.to_str().unwrap_or_default().split(',') {
            weights.take(item);
        }
    }
    weights.preference()
}

/// In thousandths; `None`: not named.
#[derive(Clone, Copy, Debug, Default)]
struct Weights {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn take(&mut self, item: &str) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        // A malformed weight makes the item worthless, not the header.
        let Some(weight) = weight(parameters) else { return };
        let name = name.trim();
        let slot = match Coding::parse(name) {
            Some(coding) => &mut self.codings[coding as usize],
            None if name.eq_ignore_ascii_case("identity") => &mut self.identity,
            None if name == "*" => &mut self.any,
            None => return,
        };
        *slot = Some(weight);
    }

    fn preference(self) -> Option<Preference> {
        let of = |coding: Coding| self.codings[coding as usize].or(self.any).unwrap_or(0);
        // Of equal weights the first counts, and `ALL` is in the order we like them.
        let mut best = None;
        for coding in Coding::ALL {
            if of(coding) > best.map_or(0, of) {
                best = Some(coding);
            }
        }
        let coding = best?;
        let refuses_identity = self.identity.or(self.any) == Some(0);
        // Named with more weight than any coding, identity is what the client wants.
        let wants_identity = self.identity.is_some_and(|weight| weight > of(coding));
        (!wants_identity).then_some(Preference {
            coding,
            refuses_identity,
        })
    }
}

/// Reads ` q=0.5` into 500; without a weight it is 1000.
fn weight(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1000);
    }
    let value = parameters
        .strip_prefix("q=")
        .or_else(|| parameters.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| digit - b'0');
        thousandths = thousandths * 10 + u16::from(digit);
    }
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn preference(header: &str) -> Option<Preference> {
        let request = TestRequest::get().insert_header((header::ACCEPT_ENCODING, header));
        negotiate(request.to_http_request().headers())
    }

    fn coding(header: &str) -> Option<Coding> {
        preference(header).map(|preference| preference.coding)
    }

    #[test]
    fn the_greatest_weight_counts_and_of_equal_ones_our_own_order() {
        assert_eq!(coding("gzip, deflate, br, zstd"), Some(Coding::Zstd));
        assert_eq!(coding("gzip, deflate, br"), Some(Coding::Brotli));
        assert_eq!(coding("gzip;q=1.0, br;q=0.9, zstd;q=0.8"), Some(Coding::Gzip));
        assert_eq!(coding("zstd;q=0.001, GZIP;Q=0.002"), Some(Coding::Gzip));
        assert_eq!(coding("x-gzip"), Some(Coding::Gzip));
        assert_eq!(coding("*"), Some(Coding::Zstd));
        assert_eq!(coding("zstd;q=0, *;q=0.5"), Some(Coding::Brotli));
    }

    #[test]
    fn what_the_client_does_not_take_is_not_sent() {
        for header in [
            "",
            "identity",
            "deflate",
            "gzip;q=0",
            "*;q=0",
            "gzip;q=0.0, br;q=0.000",
            "identity, gzip;q=0.5",
        ] {
            assert_eq!(coding(header), None, "{header}");
        }
    }

    #[test]
    fn a_malformed_weight_makes_one_item_worthless() {
        for item in [
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;level=9",
        ] {
            assert_eq!(coding(item), None, "{item}");
            assert_eq!(coding(&format!("{item}, br")), Some(Coding::Brotli), "{item}");
        }
    }

    #[test]
    fn identity_can_be_refused() {
        assert!(preference("gzip, identity;q=0").unwrap().refuses_identity);
        assert!(preference("gzip, *;q=0").unwrap().refuses_identity);
        assert!(!preference("gzip").unwrap().refuses_identity);
        assert!(
            !preference("gzip, *;q=0, identity;q=0.1")
                .unwrap()
                .refuses_identity
        );
    }
}
