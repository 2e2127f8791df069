//! Leads from files.

use std::fmt::Write as _;

use serde_json::{Value, json};
use support::{Client, Response, TestApp};
use tokio::io::AsyncWriteExt as _;

async fn import(client: &Client, query: &str, media_type: &str, file: impl Into<reqwest::Body>) -> Response {
    let request = client.request(reqwest::Method::POST, &format!("/api/v1/leads/import{query}"));
    client
        .send(request.header("content-type", media_type).body(file))
        .await
}

async fn total(client: &Client) -> Value {
    client.get("/api/v1/leads?page=0&limit=1").await.expect(200)["total"].clone()
}

#[tokio::test]
async fn the_exports_of_other_systems_are_understood() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (format, file) in [
        (
            "hubspot",
            "Record ID,First Name,Last Name,Email,Phone Number,Lead Status,Associated Company,Postal Code,Original Source\n\
             101,Ann,Ferris,ann@ferris.example,+1 555 010 0123,IN_PROGRESS,Ferris Ltd,94107,Organic Search\n",
        ),
        (
            "salesforce",
            "First Name,Last Name,Company / Account,Email,Phone,Lead Status,Lead Source,Zip/Postal Code,Lead Owner\n\
             Ann,Ferris,Ferris Ltd,ann@ferris.example,+1 555 010 0123,Working - Contacted,Web,94107,Bob\n",
        ),
        (
            "pipedrive",
            "Lead - Title,Person - Name,Person - Email,Person - Phone,Organization - Name,Lead - Source\n\
             Deal,Ann Ferris,ann@ferris.example,+1 555 010 0123,Ferris Ltd,Web\n",
        ),
        (
            "zoho",
            "Lead Id,First Name,Last Name,Email,Phone,Company,Lead Source,Lead Status,Zip Code,Lead Owner\n\
             zcrm_1,Ann,Ferris,ann@ferris.example,+1 555 010 0123,Ferris Ltd,Web,Contacted,94107,Bob\n",
        ),
    ] {
        let report = import(&acme.owner, "", "text/csv", file).await.expect(200);

        assert_eq!(
            (&report["successful"], &report["failed"]),
            (&json!(1), &json!(0)),
            "{format}: {report}"
        );
        assert_eq!(report["format"], format);
        let lead = acme.owner.get("/api/v1/leads?limit=1").await.expect(200)["items"][0].clone();
        assert_eq!(lead["name"], "Ann Ferris", "{format}");
        assert_eq!(lead["email"], "ann@ferris.example", "{format}");
        assert_eq!(lead["company"], "Ferris Ltd", "{format}");
    }
}

#[tokio::test]
async fn each_bad_row_is_told_by_line_and_field_and_the_good_ones_go_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,email,status,qualityScore,phone\r\n\
                Ann,ann@a.example,NEW,10,\r\n\
                Bob,nobody,NEW,10,\r\n\
                \"Multi\r\nline\",c@a.example,NEW,10,\r\n\
                Dee,d@a.example,HALF-WON,ten,12\r\n\
                Eve,e@a.example,CONTACTED,100,+1 555 010 0123\r\n";

    let report = import(&acme.owner, "", "text/csv", file).await.expect(200);

    assert_eq!(
        (&report["total"], &report["successful"], &report["failed"]),
        (&json!(5), &json!(2), &json!(3))
    );
    let told: Vec<(u64, &str)> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap()))
        .collect();
    assert!(told.contains(&(3, "email")), "{told:?}");
    assert!(told.contains(&(4, "name")), "{told:?}");
    assert!(
        told.contains(&(6, "status")) && told.contains(&(6, "qualityScore")),
        "{told:?}"
    );
    assert_eq!(total(&acme.owner).await, 2);
}

#[tokio::test]
async fn a_dry_run_judges_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,email\nAnn,ann@a.example\nBob,nobody\n";

    let report = import(&acme.owner, "?dryRun=true", "text/csv", file)
        .await
        .expect(200);

    assert_eq!(
        (&report["successful"], &report["failed"], &report["dryRun"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!(total(&acme.owner).await, 0);
    let mut owner = app
        .database
        .connect(support::database::DatabaseRole::Superuser)
        .await;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE aggregate_type = 'lead'")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(events, 0);
}

#[tokio::test]
async fn known_leads_are_left_out_when_asked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,email\nAnn,ann@a.example\nBob,bob@a.example\n";

    import(&acme.owner, "", "text/csv", file).await.expect(200);
    let again = import(&acme.owner, "?skipDuplicates=true", "text/csv", file)
        .await
        .expect(200);

    assert_eq!((&again["successful"], &again["skipped"]), (&json!(0), &json!(2)));
    assert_eq!(total(&acme.owner).await, 2);
}

#[tokio::test]
async fn ndjson_goes_in_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "{\"name\":\"Ann\",\"customFields\":{\"tags\":[1]}}\nnot json\n\n{\"name\":\"Bob\",\"shoeSize\":44}\n{\"name\":\"Cid\"}";

    let report = import(&acme.owner, "", "application/x-ndjson", file)
        .await
        .expect(200);

    assert_eq!(
        (&report["successful"], &report["failed"]),
        (&json!(2), &json!(2)),
        "{report}"
    );
    assert_eq!(report["errors"][0]["line"], 2);
    assert_eq!(report["errors"][1]["line"], 4);
}

#[tokio::test]
async fn the_report_is_streamed_when_asked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut file = "name,email\n".to_owned();
    for index in 0..2_500 {
        writeln!(file, "Lead {index},lead{index}@a.example").expect("a String takes any text");
    }
    file.push_str("Bad,nobody\n");
    let request = acme.owner.request(reqwest::Method::POST, "/api/v1/leads/import");
    let request = request
        .header("content-type", "text/csv")
        .header("accept", "application/x-ndjson")
        .body(file);

    let response = acme.owner.send(request).await;

    assert_eq!(response.status.as_u16(), 200);
    let lines: Vec<Value> = String::from_utf8(response.body.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["columns", "progress", "progress", "rejected", "progress", "done"]
    );
    assert_eq!(lines[5]["successful"], 2_500);
}

#[tokio::test]
async fn what_is_no_file_of_leads_is_refused_with_what_would_do() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for (media_type, file, status) in [
        ("text/csv", "", 422),
        ("text/csv", "colour,size\nred,4\n", 422),
        ("application/json", "{}", 415),
    ] {
        let response = import(&acme.owner, "", media_type, file).await;
        assert_eq!(response.status.as_u16(), status, "{media_type} {file:?}");
        response.problem();
    }
}

#[tokio::test]
async fn an_import_that_breaks_off_keeps_whole_batches_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key(&["leads:write"]).await;
    let rows = "name\n".to_owned() + &"Lead\n".repeat(1_500);
    let address = app.url().trim_start_matches("http://");
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/leads/import HTTP/1.1\r\nhost: {address}\r\nx-tenant-key: {key}\r\n\
         content-type: text/csv\r\ncontent-length: 1000000\r\n\r\n{rows}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();

    let mut there = total(&acme.owner).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while there != 1_000 && tokio::time::Instant::now() < deadline {
        there = total(&acme.owner).await;
    }
    assert_eq!(
        there, 1_000,
        "the first batch is written while the rest is still to come"
    );
    // The client goes away in the midst of the second batch.
    drop(connection);
    let more = acme
        .owner
        .post("/api/v1/leads", json!({ "name": "Behind it" }))
        .await;
    more.expect(201);
    assert_eq!(
        total(&acme.owner).await,
        1_001,
        "nothing of the batch that broke off is there"
    );
}

#[tokio::test]
async fn what_was_exported_can_be_imported_again() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    for lead in [
        json!({ "name": "Ann \"The Lead\" Ferris", "email": "ann@a.example", "customFields": { "a": [1, "x,y"] } }),
        json!({ "name": "Bob", "company": "Hull, Bob & Co", "status": "CLOSED", "closeReason": "LOST" }),
    ] {
        acme.owner.post("/api/v1/leads", lead).await.expect(201);
    }

    for (format, media_type) in [("csv", "text/csv"), ("ndjson", "application/x-ndjson")] {
        let file = acme
            .owner
            .get(&format!("/api/v1/leads/export?format={format}"))
            .await;
        assert_eq!(file.status.as_u16(), 200);
        let report = import(&umbrella.owner, "", media_type, file.body)
            .await
            .expect(200);
        assert_eq!(
            (&report["successful"], &report["failed"]),
            (&json!(2), &json!(0)),
            "{format}: {report}"
        );
    }
    let there = umbrella
        .owner
        .get("/api/v1/leads?fields=name,company,status,closeReason,customFields&limit=4")
        .await;
    let there = there.expect(200);
    let ann = there["items"].as_array().unwrap().iter().filter(|lead| {
        lead["name"] == "Ann \"The Lead\" Ferris" && lead["customFields"]["a"] == json!([1, "x,y"])
    });
    assert_eq!(ann.count(), 2, "{there}");
    let bob = there["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|lead| lead["company"] == "Hull, Bob & Co" && lead["closeReason"] == "LOST");
    assert_eq!(bob.count(), 2, "{there}");
}
