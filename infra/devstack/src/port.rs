//! Free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{During as _, StackError};
use crate::password::random;

// Below the range from which Linux takes the near ends of outgoing connections (32768 and up): a service that is
// down for a moment must find its port free when it returns. No default port of our services lies in here.
const FIRST: u16 = 16_384;
const LAST: u16 = 24_575;

/// Returns a port nobody listens on and that is not among `taken`.
///
/// Somebody else may take it before it is used: who starts a service on it tries another then.
pub(crate) fn free(taken: impl Fn(u16) -> bool) -> Result<u16, StackError> {
    let seed = u16::from_ne_bytes(random().during(|| "read /dev/urandom".to_owned())?);
    let count = LAST - FIRST + 1;
    (0..count)
        .map(|step| FIRST + (seed % count + step) % count)
        .find(|&port| !taken(port) && is_free(port))
        .ok_or(StackError::NoPort {
            first: FIRST,
            last: LAST,
        })
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
