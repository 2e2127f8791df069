//! Whether a request would rather speak another protocol.

use actix_web::dev::RequestHead;
use actix_web::http::header;

/// Whether it opens a WebSocket. Whoever offers anything else, such as `h2c`, is answered as if it had not.
pub(crate) fn is_web_socket(head: &RequestHead) -> bool {
    let upgrade = head.headers().get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
