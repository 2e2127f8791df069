//! As much HTTP as it takes to see whether the product answers, and what.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

const LIMIT: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Returns the status of `GET path`.
pub(crate) fn get(port: u16, path: &str) -> Result<u16> {
    Ok(exchange(port, "GET", path, &[], "")?.status)
}

/// Returns the status of `POST path` with a JSON body.
pub(crate) fn post(port: u16, path: &str, body: &serde_json::Value) -> Result<u16> {
    let headers = [("Content-Type", "application/json")];
    Ok(exchange(port, "POST", path, &headers, &body.to_string())?.status)
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

/// Sends one request and returns the answer; no body is sent where it is empty.
pub(crate) fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n")?;
    }
    if !body.is_empty() {
        write!(request, "Content-Length: {}\r\n", body.len())?;
    }
    write!(request, "\r\n{body}")?;

    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    // "HTTP/1.1 200 OK"
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok(Answer {
        status: status.context("the answer is not HTTP")?,
        body: body.unwrap_or_default(),
    })
}
