//! A node that goes on though it is cut off from Redis: what it changes the others hear from the log alone.

use std::time::Duration;

use fairlead_cache::SharedSettings;
use fairlead_domain::cache::Source;
use fairlead_domain::consistency::Consistency;

use super::nodes::{Node, Origin, value};
use super::proxy::RedisProxy;
use super::server::RedisServer;

#[tokio::test]
async fn a_token_stands_for_what_was_written_before_where_somebody_was_cut_off() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = SharedSettings {
        missed_after: Duration::from_secs(2),
        ..redis.settings()
    };
    let proxy = RedisProxy::start(redis.url()).await;
    let through = SharedSettings {
        url: proxy.url().to_owned(),
        ..settings.clone()
    };
    let cut_off = Node::start(&origin, through).await;
    let writer = Node::start(&origin, settings.clone()).await;
    let reader = Node::start(&origin, settings).await;
    let on_the_roll = async || {
        let mut members = redis::cmd("SMEMBERS");
        redis.command::<Vec<String>>(members.arg("fl:roll")).await.len()
    };
    support::wait_until("all have signed in", async || on_the_roll().await == 3).await;
    // Everybody has seen everybody.
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.cut();
    support::wait_until("one is missed", async || on_the_roll().await == 2).await;
    // Everybody has looked again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for lead in [7, 8] {
        assert_eq!(reader.value(lead).await, 0);
        assert_eq!(reader.ask(lead).await.unwrap().source, Source::Memory);
    }

    let (written, _) = cut_off.write(7).await;
    let (_, token) = writer.write(8).await;
    support::wait_until("the second write is heard", async || reader.value(8).await == 1).await;

    let read = reader
        .ask_for(7, Consistency::AtLeast(token), None)
        .await
        .unwrap();
    assert_eq!(value(&read), written, "the token was not honoured");
}
