use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;

use crate::state::ApiSettings;

/// The address a request came from.
///
/// Behind a trusted proxy that is the last entry of `X-Forwarded-For`: the proxy has appended it, while what stands
/// before it is whatever the client sent.
pub fn client_address(request: &HttpRequest, settings: &ApiSettings) -> IpAddr {
    if settings.trust_forwarded_for
        && let Some(address) = forwarded_for(request)
    {
        return address;
    }
    // A socket that is not IP has no address; all its clients are one.
    request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

fn forwarded_for(request: &HttpRequest) -> Option<IpAddr> {
    let header = request.headers().get_all("x-forwarded-for").last()?;
    header.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}
