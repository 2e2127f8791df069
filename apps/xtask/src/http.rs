//! As much HTTP as it takes to see whether the product answers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

const LIMIT: Duration = Duration::from_secs(10);

/// Returns the status of `GET path`.
pub(crate) fn get(port: u16, path: &str) -> Result<u16> {
    exchange(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"),
    )
}

/// Returns the status of `POST path` with a JSON body.
pub(crate) fn post(port: u16, path: &str, body: &serde_json::Value) -> Result<u16> {
    let body = body.to_string();
    let length = body.len();
    exchange(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

/// Fails if somebody listens on `port`.
pub(crate) fn check_free(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "port {port} cannot be used ({error}); choose another: --port {}",
            port.wrapping_add(1)
        ),
    }
}

fn exchange(port: u16, request: &str) -> Result<u16> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    // "HTTP/1.1 200 OK"
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.context("the answer is not HTTP")
}
