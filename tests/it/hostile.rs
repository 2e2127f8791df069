//! Clients that mean no good, on raw sockets: slow ones, many of one address, and such as send too much, too deep, packed,
//! or in a form by which one of two servers could be misled.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Client, TestApp, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.url().trim_start_matches("http://");
    TcpStream::connect(address).await.unwrap()
}

/// What comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A connection that is reset was closed, too.
    timeout(PATIENCE, reading).await.expect("it is closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is answered to these bytes, by a server that closes behind it.
async fn told(app: &TestApp, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(app).await;
    // It may close before it has read all.
    stream.write_all(bytes.as_ref()).await.ok();
    rest(&mut stream).await
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn problem(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let problem: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let kind = problem["type"].as_str().unwrap_or_default();
    kind.rsplit('/').next().unwrap_or_default().to_owned()
}

fn authorization(client: &Client) -> String {
    let request = client.request(reqwest::Method::GET, "/").build().unwrap();
    request.headers()["authorization"].to_str().unwrap().to_owned()
}

/// The head of a request that creates a lead, without its end.
fn head(client: &Client, more: &str) -> String {
    format!(
        "POST /api/v1/leads HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {}\r\n\
         content-type: application/json\r\n{more}",
        authorization(client)
    )
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let app = TestApp::start_with(|config| config.http.client_timeout = Duration::from_millis(500)).await;
    let mut stream = connect(&app).await;
    let began = Instant::now();

    stream.write_all(b"GET /health/live HTTP/1.1\r\n").await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let slowly = async {
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = timeout(PATIENCE, reading.read_to_end(&mut answer)) => { read.expect("it is closed").ok(); }
        () = slowly => {}
    }

    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(
        matches!(status(&String::from_utf8_lossy(&answer)), 0 | 408),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_not_waited_for() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.restart_with(|config| config.http.request_timeout = Duration::from_secs(1))
        .await;
    let mut stream = connect(&app).await;
    let began = Instant::now();

    let head = head(&acme.owner, "content-length: 1000\r\n\r\n{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let slowly = async {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = timeout(PATIENCE, reading.read_to_end(&mut answer)) => { read.expect("it is closed").ok(); }
        () = slowly => {}
    }

    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(
        (status(&answer), problem(&answer).as_str()),
        (408, "body-too-slow"),
        "{answer}"
    );
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let app = TestApp::start_with(|config| config.http.connections_per_address = 5).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(&app).await;
        // Answered, so it is sure to be counted.
        let live = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(live.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(stream);
    }

    let refused = rest(&mut connect(&app).await).await;
    assert_eq!(
        (status(&refused), problem(&refused).as_str()),
        (429, "rate-limited"),
        "{refused}"
    );

    held.pop();
    wait_until("there is room again", async || {
        let live = "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        status(&told(&app, live).await) == 200
    })
    .await;
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for coding in ["gzip", "br", "zstd", "deflate", "gzip, gzip", "made-up"] {
        let head = head(
            &acme.owner,
            &format!("content-encoding: {coding}\r\ncontent-length: 4\r\n\r\n\x1f\u{7f}12"),
        );
        let answer = told(&app, head).await;
        assert_eq!(
            (status(&answer), problem(&answer).as_str()),
            (415, "unsupported-coding"),
            "{coding}: {answer}"
        );
        assert!(answer.contains("\r\naccept-encoding: identity\r\n"), "{answer}");
    }
    let import = acme.owner.request(reqwest::Method::POST, "/api/v1/leads/import");
    let import = import
        .header("content-type", "text/csv")
        .header("content-encoding", "gzip");
    let import = acme.owner.send(import.body("name\nAnn\n")).await;
    assert_eq!(import.problem(), "unsupported-coding");
    let identity = acme.owner.request(reqwest::Method::POST, "/api/v1/leads");
    let identity = identity
        .header("content-encoding", "identity")
        .json(&json!({ "name": "Ann" }));
    acme.owner.send(identity).await.expect(201);
}

#[tokio::test]
async fn what_is_too_much_is_refused_by_its_name() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let owner = &acme.owner;
    let sized = |body: &str| format!("{}content-length: {}\r\n\r\n{body}", head(owner, ""), body.len());
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let get = |path: &str, more: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {}\r\n{more}\r\n",
            authorization(owner)
        )
    };

    for (what, bytes, expected) in [
        (
            "a body nested too deep",
            sized(&"[".repeat(100_000)),
            (422, "invalid-input"),
        ),
        (
            "an object nested too deep",
            sized(&"{\"a\":".repeat(50_000)),
            (400, "malformed-json"),
        ),
        (
            "a body announced too large",
            head(owner, "content-length: 1000000000000\r\n\r\n"),
            (413, "body-too-large"),
        ),
        (
            "a body that turns out too large",
            format!(
                "{}{}",
                head(owner, "transfer-encoding: chunked\r\n\r\n"),
                chunk.repeat(4) + "0\r\n\r\n"
            ),
            (413, "body-too-large"),
        ),
        (
            "a query too long",
            get(&format!("/api/v1/leads?q={}", "a".repeat(9_000)), ""),
            (414, "query-too-long"),
        ),
        (
            "headers too large",
            get("/api/v1/leads", &format!("x-a: {}\r\n", "a".repeat(20_000))),
            (431, "headers-too-large"),
        ),
        (
            "a text with U+0000",
            sized(r#"{"name": "Ann\u0000"}"#),
            (422, "invalid-input"),
        ),
        (
            "a name too long",
            sized(&format!(r#"{{"name": "{}"}}"#, "a".repeat(100_000))),
            (422, "invalid-input"),
        ),
    ] {
        let answer = told(&app, bytes).await;
        let shown: String = answer.chars().take(600).collect();
        assert_eq!(
            (status(&answer), problem(&answer).as_str()),
            expected,
            "{what}: {shown}"
        );
    }
}

/// The parser refuses these before there is a request, and has no words for it.
#[tokio::test]
async fn what_is_no_request_is_refused_and_its_connection_closed() {
    let app = TestApp::start().await;
    let live = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n";
    let many = "x-a: a\r\n".repeat(200);

    for (what, bytes) in [
        ("too many headers", format!("{live}{many}\r\n")),
        (
            "a target too long",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)),
        ),
        (
            "headers without an end",
            format!("{live}x-a: {}", "a".repeat(300_000)),
        ),
        ("no protocol", "GET / HTTP/9.9\r\n\r\n".to_owned()),
        (
            "a space before the colon",
            format!("{live}content-length : 0\r\n\r\n"),
        ),
        (
            "a control character in a value",
            format!("{live}x-a: a\u{1}b\r\n\r\n"),
        ),
        (
            "two lengths",
            format!("{live}content-length: 0\r\ncontent-length: 5\r\n\r\nhello"),
        ),
        (
            "a length that is none",
            format!("{live}content-length: +5\r\n\r\nhello"),
        ),
        (
            "a length and chunks",
            format!(
                "{live}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\n\r\n"
            ),
        ),
        (
            "chunks of another coding",
            format!("{live}transfer-encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n"),
        ),
    ] {
        let answer = told(&app, bytes).await;
        assert!(
            matches!(status(&answer), 400 | 413 | 414 | 431 | 0),
            "{what}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!answer.is_empty()),
            "{what}: {answer}"
        );
    }
    let health = app.anonymous().get("/health/live").await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let app = TestApp::start().await;
    let mut bytes = String::new();
    for number in 0..100 {
        let last = if number == 99 { "connection: close\r\n" } else { "" };
        write!(
            bytes,
            "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-request-id: number-{number}\r\n{last}\r\n"
        )
        .unwrap();
    }

    let answer = told(&app, bytes).await;

    let ids: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("x-request-id: "))
        .collect();
    let expected: Vec<String> = (0..100).map(|number| format!("number-{number}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn names_are_kept_as_they_look() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let create = |name: &'static str| acme.owner.post("/api/v1/leads", json!({ "name": name }));

    let composed = create("Andre\u{301}").await.expect(201);
    let turned = create("invoice\u{202e}fdp.exe").await.expect(201);
    let unseen = create("\u{200b}\u{2066}\u{2069}").await;
    let control = create("Ann\u{7}").await;

    assert_eq!(composed["name"], "Andr\u{e9}");
    assert_eq!(turned["name"], "invoicefdp.exe");
    for refused in [unseen, control] {
        assert_eq!(refused.problem(), "invalid-input");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/name");
    }
}
