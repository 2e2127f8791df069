use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use fairlead_domain::network::Network;

use crate::state::ApiSettings;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that clients come through, and that are believed when they say for whom they ask.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    pub networks: Arc<[Network]>,
    /// Where they say it.
    pub header: ForwardedHeader,
}

/// Where proxies say for whom they ask. It is one: in the other a client could claim what it likes, because a proxy that
/// does not know it passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The address a request came from.
pub fn client_address(request: &HttpRequest, settings: &ApiSettings) -> IpAddr {
    // A socket that is not IP has no address; all its clients are one.
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    settings.proxies.client(peer, request.headers())
}

impl TrustedProxies {
    /// Believes each trusted proxy what it has appended: whoever connected to it. So it is the last address that is no
    /// trusted proxy's; what stands before that is whatever the client has sent.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let lines: Vec<&str> = headers
            .get_all(name)
            .map(|line| line.to_str().unwrap_or("?"))
            .collect();
        for element in lines.into_iter().rev().flat_map(|line| line.rsplit(',')) {
            let address = match self.header {
                ForwardedHeader::XForwardedFor => node_address(element.trim()),
                ForwardedHeader::Forwarded => forwarded_for(element).and_then(node_address),
            };
            // A proxy that does not tell for whom it asks is the client itself.
            let Some(address) = address else { return client };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// The node of `for=` in one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    Some(node.trim_matches('"'))
}

/// An address, with or without a port; one of IPv6 may stand in brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']'));
    let address = bare.unwrap_or(node).parse().ok();
    let address = address.or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    Some(address?.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies {
            networks: Network::parse_list("10.0.0.0/8, fd00::/8").unwrap().into(),
            header,
        };
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_the_client_whatever_it_claims() {
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            let claims = ["192.0.2.1", "for=192.0.2.1"];
            assert_eq!(client(header, "198.51.100.7", &claims), "198.51.100.7");
        }
    }

    #[test]
    fn behind_trusted_proxies_the_last_address_that_is_none_of_theirs_is_the_client() {
        for (lines, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            (&["203.0.113.9", "192.0.2.1", "10.1.2.3, fd00::5"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // All of them are ours: the client is, too.
            (&["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
            (&[], "10.0.0.1"),
            // What is no address ends what can be believed.
            (&["192.0.2.1, unknown"], "10.0.0.1"),
            (&["192.0.2.1, unknown, 10.1.2.3"], "10.1.2.3"),
            (&["192.0.2.1,"], "10.0.0.1"),
            (&["192.0.2.1\u{e9}"], "10.0.0.1"),
        ] {
            let client = client(ForwardedHeader::XForwardedFor, "10.0.0.1", lines);
            assert_eq!(client, expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        for (lines, expected) in [
            (&["for=192.0.2.1"][..], "192.0.2.1"),
            (&["For=\"192.0.2.1:4711\";proto=https;by=10.0.0.1"], "192.0.2.1"),
            (
                &["for=203.0.113.9, proto=http; for=\"[2001:db8:cafe::17]:4711\""],
                "2001:db8:cafe::17",
            ),
            (&["for=192.0.2.1, for=10.1.2.3"], "192.0.2.1"),
            (&["for=192.0.2.1, for=_hidden"], "10.0.0.1"),
            (&["for=192.0.2.1, by=10.1.2.3"], "10.0.0.1"),
        ] {
            let client = client(ForwardedHeader::Forwarded, "10.0.0.1", lines);
            assert_eq!(client, expected, "{lines:?}");
        }
    }
}
