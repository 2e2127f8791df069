//! Figures that come by themselves.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase};
use tokio::time::timeout;

const PATH: &str = "/api/v1/performance/stream";

async fn open(operator: &Client) -> Response {
    operator.request(Method::GET, PATH).send().await.unwrap()
}

/// The next part of a stream, which comes soon; `None`: it has ended.
async fn next(stream: &mut Response) -> Option<String> {
    let part = timeout(Duration::from_secs(30), stream.chunk()).await;
    let part = part.expect("it comes").expect("the stream is whole")?;
    Some(String::from_utf8(part.to_vec()).unwrap())
}

#[tokio::test]
async fn figures_are_told_until_the_server_stops_and_to_so_many_operators() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;

    let mut stream = open(&operator).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    for _ in 0..2 {
        let text = next(&mut stream).await.unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let figures: Value = serde_json::from_str(data).unwrap();
        assert!(text.contains("event: dashboard\n"), "{text}");
        assert!(
            figures["residentBytes"].as_u64().unwrap() > 1_000_000,
            "{figures:#}"
        );
    }
    let mut others = Vec::new();
    for _ in 0..15 {
        let mut other = open(&operator).await;
        assert_eq!(other.status(), 200);
        next(&mut other).await.unwrap();
        others.push(other);
    }
    let refused = operator.get(PATH).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (429, "too-many-streams".to_owned())
    );

    serving.signal("TERM");

    while let Some(text) = next(&mut stream).await {
        assert!(
            text.contains("retry: ") || text.contains("event: dashboard"),
            "{text}"
        );
    }
}
