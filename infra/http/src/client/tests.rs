use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::*;

/// Answers each lookup with what comes next; the last again and again.
#[derive(Debug)]
struct Script(Mutex<Vec<Vec<IpAddr>>>);

#[async_trait]
impl Lookup for Script {
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, LookupError> {
        let mut answers = self.0.lock().unwrap();
        Ok(if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        })
    }
}

fn settings() -> GuardedClientSettings {
    GuardedClientSettings {
        user_agent: "test".to_owned(),
        allows_http: true,
        allowed: Vec::new(),
        denied: Vec::new(),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
    }
}

fn client(allowed: &[&str], answers: &[&[&str]]) -> GuardedClient {
    let address = |text: &&str| text.parse().unwrap();
    let answers = answers.iter().map(|answer| answer.iter().map(address).collect());
    let settings = GuardedClientSettings {
        allowed: allowed.iter().map(|text| text.parse().unwrap()).collect(),
        ..settings()
    };
    GuardedClient::with_lookup(settings, Arc::new(Script(Mutex::new(answers.collect())))).unwrap()
}

async fn post(client: &GuardedClient, url: &str) -> Result<Head, SendFault> {
    client
        .post(url, HeaderMap::new(), Bytes::from_static(b"{}"))
        .await
}

/// A server that does as it is told with each connection, and counts them.
struct Server {
    address: SocketAddr,
    connections: Arc<Mutex<usize>>,
}

async fn server<F>(mut serve: impl FnMut(TcpStream) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Mutex::new(0));
    let count = Arc::clone(&connections);
    fairlead_telemetry::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *count.lock().unwrap() += 1;
            fairlead_telemetry::spawn(serve(stream));
        }
    });
    Server { address, connections }
}

/// Reads the head of a request.
async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.windows(4).any(|part| part == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "the request ends early");
        read.extend(&part[..length]);
    }
    String::from_utf8(read).unwrap()
}

async fn answering(head: &'static str) -> Server {
    server(move |mut stream| async move {
        request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
    })
    .await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_name_is_connected_to_where_it_may_be() {
    let server = answering(OK).await;
    let url = format!("http://receiver.test:{}/", server.address.port());

    // The one that is not allowed is left out; the other is connected to.
    let both = client(&["127.0.0.1"], &[&["169.254.169.254", "127.0.0.1"]]);
    assert_eq!(post(&both, &url).await.unwrap().status, 200);

    for refused in [
        "127.0.0.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "::1",
        "10.0.0.1",
    ] {
        let client = client(&[], &[&[refused]]);
        assert_eq!(
            post(&client, &url).await.unwrap_err(),
            SendFault::NoAddress,
            "{refused}"
        );
    }
    assert_eq!(*server.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_next_time_leads_nowhere() {
    let server = answering(OK).await;
    let url = format!("http://rebinding.test:{}/", server.address.port());
    let client = client(&["127.0.0.1"], &[&["127.0.0.1"], &["127.0.0.2"]]);

    assert_eq!(post(&client, &url).await.unwrap().status, 200);
    assert_eq!(post(&client, &url).await.unwrap_err(), SendFault::NoAddress);
    assert_eq!(*server.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_by_the_system_s_own_lookup() {
    let server = answering(OK).await;
    let settings = GuardedClientSettings {
        user_agent: "test".to_owned(),
        allows_http: true,
        allowed: Vec::new(),
        denied: Vec::new(),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
    };
    let client = GuardedClient::new(settings).unwrap();
    let url = |host: &str| format!("http://{host}:{}/", server.address.port());

    assert_eq!(
        post(&client, &url("localhost")).await.unwrap_err(),
        SendFault::NoAddress
    );
    for literal in ["127.0.0.1", "[::1]", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let refused = post(&client, &url(literal)).await.unwrap_err();
        assert!(matches!(refused, SendFault::Url(_)), "{literal}: {refused}");
    }
    assert_eq!(*server.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let secret = answering(OK).await;
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        secret.address.port()
    );
    let server = answering(head.leak()).await;
    let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);

    let head = post(
        &client,
        &format!("http://receiver.test:{}/", server.address.port()),
    )
    .await;

    assert_eq!(head.unwrap().status, 307);
    assert_eq!(*secret.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up() {
    let written = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&written);
    let endless = server(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            request(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            // Until the client is gone.
            while let Ok(length) = stream.write(&[b'a'; 4096]).await {
                *count.lock().unwrap() += length;
            }
        }
    })
    .await;
    let slow = server(move |mut stream| async move {
        request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);

    let url = |server: &Server| format!("http://receiver.test:{}/", server.address.port());
    assert_eq!(post(&client, &url(&endless)).await.unwrap().status, 200);
    let began = Instant::now();
    assert_eq!(post(&client, &url(&slow)).await.unwrap().status, 200);

    // A hundred bytes would have taken half a minute.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // What the sockets hold, and no more: of the hundred megabytes.
    let sent = *written.lock().unwrap();
    assert!(sent < 20_000_000, "{sent} bytes were sent");
}

#[tokio::test]
async fn a_head_that_comes_slowly_is_given_up() {
    let server = server(move |mut stream| async move {
        request(&mut stream).await;
        for byte in OK.bytes().cycle() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);

    let fault = post(
        &client,
        &format!("http://receiver.test:{}/", server.address.port()),
    )
    .await;

    assert_eq!(fault.unwrap_err(), SendFault::TimedOut(Duration::from_secs(5)));
}

#[tokio::test]
async fn faults_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let broken = answering("this is no HTTP\r\n\r\n").await;
    // Answers to whatever begins the conversation, which is no request.
    let no_tls = server(|mut stream| async move {
        let mut hello = [0; 1024];
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        // Until the client is gone.
        while stream.read(&mut hello).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);
    let url = |scheme: &str, port: u16| format!("{scheme}://receiver.test:{port}/");

    let fault = post(&client, &url("http", closed.port())).await.unwrap_err();
    assert_eq!(fault, SendFault::NoConnection);
    let fault = post(&client, &url("http", broken.address.port()))
        .await
        .unwrap_err();
    assert_eq!(fault, SendFault::Broken);
    let fault = post(&client, &url("https", no_tls.address.port()))
        .await
        .unwrap_err();
    assert_eq!(fault, SendFault::Tls);
}

/// Fails as it is told.
#[derive(Debug)]
struct Failing(fn(io::Error) -> LookupError);

#[async_trait]
impl Lookup for Failing {
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, LookupError> {
        Err(self.0(io::Error::other("the truth")))
    }
}

/// The servers of one name do not answer; there is no other, or nobody answers for those either.
#[derive(Debug)]
struct Partly {
    failing: &'static str,
    others_answer: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Lookup for Partly {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.asked.lock().unwrap().push(name.to_owned());
        let error = io::Error::other("SERVFAIL");
        Err(if name != self.failing && self.others_answer {
            LookupError::Unknown(error)
        } else {
            LookupError::Failed(error)
        })
    }
}

#[tokio::test]
async fn a_name_whose_own_servers_do_not_answer_is_no_trouble_of_ours() {
    for (others_answer, expected) in [(true, SendFault::NoAddress), (false, SendFault::Lookup)] {
        let asked = Arc::default();
        let lookup = Partly {
            failing: "receiver.test",
            others_answer,
            asked: Arc::clone(&asked),
        };
        let client = GuardedClient::with_lookup(settings(), Arc::new(lookup)).unwrap();

        for _ in 0..3 {
            let fault = post(&client, "http://receiver.test/").await.unwrap_err();
            assert_eq!(fault, expected);
        }

        let asked = asked.lock().unwrap().clone();
        let others: Vec<&String> = asked.iter().filter(|name| *name != "receiver.test").collect();
        assert_eq!(others.len(), 1, "others are asked for once in a while: {asked:?}");
        assert!(others[0].ends_with(".example.com."), "{others:?}");
    }
}

#[tokio::test]
async fn a_name_that_there_is_not_looks_like_one_that_is_refused_and_no_lookup_like_neither() {
    let failing = |failure| {
        let settings = GuardedClientSettings {
            user_agent: "test".to_owned(),
            allows_http: true,
            allowed: Vec::new(),
            denied: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
        };
        GuardedClient::with_lookup(settings, Arc::new(Failing(failure))).unwrap()
    };
    let url = "http://receiver.test/";

    let unknown = post(&failing(LookupError::Unknown), url).await.unwrap_err();
    let refused = post(&client(&[], &[&["10.0.0.1"]]), url).await.unwrap_err();
    let failed = post(&failing(LookupError::Failed), url).await.unwrap_err();

    assert_eq!(unknown.to_string(), refused.to_string());
    assert_eq!((unknown, failed), (SendFault::NoAddress, SendFault::Lookup));
    assert!(failed.is_ours() && !unknown.is_ours());
}

/// Servers of names that do not answer.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Lookup for Silent {
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, LookupError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn silent_servers_of_names_are_not_taken_for_a_silent_receiver() {
    let settings = GuardedClientSettings {
        user_agent: "test".to_owned(),
        allows_http: true,
        allowed: Vec::new(),
        denied: Vec::new(),
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_mins(1),
    };
    let client = GuardedClient::with_lookup(settings, Arc::new(Silent)).unwrap();

    let fault = post(&client, "http://receiver.test/").await.unwrap_err();

    assert_eq!(fault, SendFault::Lookup);
}

#[tokio::test]
async fn the_system_says_whether_there_is_no_such_name() {
    let unknown = SystemLookup.addresses("receiver.invalid").await;
    let known = SystemLookup.addresses("localhost").await;

    // Where no server of names is reached, not even that is known (RFC 6761, section 6.4).
    assert!(
        matches!(unknown, Err(LookupError::Unknown(_) | LookupError::Failed(_))),
        "{unknown:?}"
    );
    assert!(known.unwrap().iter().all(IpAddr::is_loopback));
}
