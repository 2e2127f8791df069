//! Connections that an operator ends at another process than the one that has them.

use support::pair::operator;
use support::process::Program;
use support::{TestDatabase, TestTenant, wait_until};

use super::consumers::{leads, serve};
use super::stream_ends::last_block;
use super::stream_reader::StreamReader;

#[tokio::test]
async fn a_connection_is_ended_by_whichever_process_has_it() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let leader = serve(&program).await;
    wait_until("the first leads", async || leads(&leader).await).await;
    // One stands by, and the other never leads.
    let stands_by = serve(&program).await;
    let program = program.with("FAIRLEAD__ROLES", "api");
    let serves = serve(&program).await;
    let acme = TestTenant::sign_up(leader.anonymous(), "acme").await;
    let operator = operator(&program, &leader).await;

    for (has, asked) in [(&leader, &stands_by), (&stands_by, &serves), (&serves, &leader)] {
        let mut stream = StreamReader::open(&acme.at(&has.url).owner, "", None).await;
        let all = operator
            .at(&has.url)
            .get("/api/v1/performance/websocket/connections")
            .await
            .expect(200);
        let id = all["items"][0]["id"].as_str().unwrap();

        let path = format!("/api/v1/performance/websocket/connection/{id}");
        let answer = operator.at(&asked.url).delete(&path).await;

        assert_eq!(answer.status, 202, "{answer:?}");
        let last = last_block(&mut stream).await;
        assert!(last.retry.is_some(), "it is to come back: {last:?}");
    }
}
