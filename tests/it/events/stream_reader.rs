//! A client that follows the stream of events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use support::Client;
use tokio::time::timeout;

/// What comes in one block of a stream: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) retry: Option<String>,
    pub(crate) comment: Option<String>,
}

/// A stream that is read.
pub(crate) struct StreamReader {
    response: Response,
    text: String,
    /// What a browser would come back with.
    pub(crate) last_id: String,
}

impl StreamReader {
    /// Opens a stream and reads where it begins.
    pub(crate) async fn open(client: &Client, query: &str, last_id: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, &format!("/api/v1/events/stream{query}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let mut reader = Self::of(request.send().await.unwrap());
        let first = reader.block().await.expect("a stream begins with its place");
        assert!(
            first.retry.is_some() && first.id.is_some() && first.data.is_none(),
            "{first:?}"
        );
        reader
    }

    /// Reads what was answered from its beginning.
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
            last_id: String::new(),
        }
    }

    /// The next block; `None` at the end of the stream.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = parse(&self.text[..end]);
                self.text.drain(..end + 2);
                if let Some(id) = &block.id {
                    self.last_id.clone_from(id);
                }
                return Some(block);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Value {
        let waiting = timeout(Duration::from_secs(30), self.block_with_data());
        let block = waiting
            .await
            .expect("an event comes")
            .expect("the stream goes on");
        let data = block.data.unwrap();
        assert_eq!(block.event.as_deref(), data["type"].as_str());
        data
    }

    async fn block_with_data(&mut self) -> Option<Block> {
        loop {
            let block = self.block().await?;
            if block.data.is_some() {
                return Some(block);
            }
        }
    }

    /// The names of the leads of so many events.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let event = self.event().await;
            if event["type"] == "lead_created" {
                names.push(event["data"]["name"].as_str().unwrap().to_owned());
            }
        }
        names
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => block.comment = Some(value),
            "id" => block.id = Some(value),
            "event" => block.event = Some(value),
            "retry" => block.retry = Some(value),
            "data" => block.data = Some(serde_json::from_str(&value).unwrap()),
            other => panic!("no field of an event stream: {other:?}"),
        }
    }
    block
}
