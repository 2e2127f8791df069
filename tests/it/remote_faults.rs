//! The command line behind something that stands between it and its server.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::process::{Ended, Program, Serving};
use support::{TestDatabase, TestTenant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 20\r\n\
                           connection: close\r\n\r\n<h1>Bad Gateway</h1>";

/// What stands between. It answers some requests itself, hands the others on, and keeps the head of each.
struct Front {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// `answer` gets the first line of a request; `None`: it goes on to `to`.
    async fn open(to: &str, answer: impl FnMut(&str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&heads), Arc::new(Mutex::new(answer)));
        let to = to.trim_start_matches("http://").trim_end_matches('/').to_owned();
        fairlead_telemetry::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (kept, answer, to) = (Arc::clone(&kept), Arc::clone(&answer), to.clone());
                fairlead_telemetry::spawn(async move {
                    let Some((client, head, rest)) = head_of(client).await else {
                        return;
                    };
                    let first = head.lines().next().unwrap_or_default().to_owned();
                    kept.lock().unwrap().push(head.clone());
                    let answered = (answer.lock().unwrap())(&first);
                    serve(client, &head, &rest, answered, &to).await;
                });
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads the head of a request, and what came with it of the body.
async fn head_of(mut client: TcpStream) -> Option<(TcpStream, String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some((client, String::from_utf8(read).unwrap(), rest));
        }
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// Serves one request, and closes: each request comes by a connection of its own.
async fn serve(mut client: TcpStream, head: &str, rest: &[u8], answered: Option<String>, to: &str) {
    if let Some(answer) = answered {
        // Whoever has gone does not read it.
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let mut server = TcpStream::connect(to).await.unwrap();
    let head = head.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    server.write_all(head.as_bytes()).await.unwrap();
    server.write_all(rest).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

struct Behind {
    _database: TestDatabase,
    server: Serving,
    key: String,
}

impl Behind {
    async fn open() -> Self {
        let database = TestDatabase::create().await;
        let server = Program::on(&database).serve().await.unwrap();
        let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
        let key = acme.key(&["leads:read", "leads:write"]).await;
        Self {
            _database: database,
            server,
            key,
        }
    }

    fn program(&self, url: &str) -> Program {
        Program::unconfigured()
            .with("FAIRLEAD_URL", url)
            .with("FAIRLEAD_API_KEY", &self.key)
    }

    async fn import(&self, front: &Front, arguments: &[&str]) -> Ended {
        let program = self.program(&front.url);
        fs::write(
            program.data_dir.path().join("leads.csv"),
            "name,email\nAnn,ann@a.example\nBob,nobody\n",
        )
        .unwrap();
        program.run(&[&["import", "leads.csv"], arguments].concat()).await
    }
}

fn is_get_of_operation(first_line: &str) -> bool {
    first_line.starts_with("GET /api/v1/operations/") && !first_line.contains("/stream")
}

#[tokio::test]
async fn a_redirect_leads_nowhere_and_gets_no_key() {
    let behind = Behind::open().await;
    let elsewhere = Front::open(&behind.server.url, |_| None).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let location = elsewhere.url.clone();
        let answer = move |first: &str| {
            let path = first.split(' ').nth(1).unwrap_or_default();
            Some(format!(
                "HTTP/1.1 {status}\r\nlocation: {location}{path}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            ))
        };
        let front = Front::open(&behind.server.url, answer).await;

        let ended = behind.program(&front.url).run(&["operations", "list"]).await;

        assert_eq!(elsewhere.heads(), [""; 0], "{status}");
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&elsewhere.url), "{ended:?}");
    }
}

#[tokio::test]
async fn no_proxy_of_the_environment_gets_the_key() {
    let behind = Behind::open().await;
    let proxy = Front::open(&behind.server.url, |_| None).await;

    let program = behind.program(&behind.server.url);
    let ended = program
        .with("HTTP_PROXY", &proxy.url)
        .with("http_proxy", &proxy.url)
        .with("ALL_PROXY", &proxy.url)
        .run(&["operations", "list"])
        .await;

    assert_eq!(proxy.heads(), [""; 0]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[tokio::test]
async fn what_succeeded_is_not_called_failed_because_its_faults_cannot_be_read() {
    let behind = Behind::open().await;
    // Whoever follows the stream to its end asks for the operation once more.
    let front = Front::open(&behind.server.url, |first| {
        is_get_of_operation(first).then(|| BAD_GATEWAY.to_owned())
    })
    .await;

    let ended = behind.import(&front, &[]).await;

    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(
        ended.stdout.contains("1 lead created") && ended.stdout.contains("1 row rejected"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("operations show"), "{ended:?}");
}

#[tokio::test]
async fn a_gateway_that_has_no_server_for_a_moment_is_waited_for() {
    let behind = Behind::open().await;
    let mut refusals = 2;
    let front = Front::open(&behind.server.url, move |first| {
        let is_of_operation = first.starts_with("GET /api/v1/operations/");
        if !is_of_operation || refusals == 0 {
            return None;
        }
        refusals -= 1;
        Some(BAD_GATEWAY.to_owned())
    })
    .await;

    let ended = behind.import(&front, &["--json"]).await;

    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(ended.stderr.contains("looking again"), "{ended:?}");
    let last: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "ended");
}

#[tokio::test]
async fn what_was_written_is_asked_for_by_the_token_of_the_write() {
    let behind = Behind::open().await;
    let front = Front::open(&behind.server.url, |_| None).await;

    let ended = behind.import(&front, &[]).await;

    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let heads = front.heads();
    let of_operation: Vec<_> = heads
        .iter()
        .filter(|head| head.starts_with("GET /api/v1/operations/"))
        .collect();
    assert!(!of_operation.is_empty());
    for head in of_operation {
        assert!(
            head.to_ascii_lowercase().contains("fairlead-consistency: "),
            "{head}"
        );
    }
}
