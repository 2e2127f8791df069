//! How answers are sent: compressed, conditional, named after what they show.

use std::io::Read as _;

use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use serde_json::{Value, json};
use support::{Client, Response, TestApp};
use time::Duration;

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = client.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

/// The body as the client reads it.
fn decoded(response: &Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = match response.header("content-encoding") {
        None => return response.body.clone(),
        Some("gzip") => flate2::read::GzDecoder::new(&*response.body).read_to_end(&mut body),
        Some("br") => brotli::Decompressor::new(&*response.body, 4096).read_to_end(&mut body),
        Some("zstd") => zstd::stream::read::Decoder::new(&*response.body)
            .unwrap()
            .read_to_end(&mut body),
        Some(other) => panic!("an unknown coding: {other}"),
    };
    read.unwrap();
    body
}

/// Makes a list that is longer than the threshold.
async fn leads(client: &Client) {
    let leads: Vec<Value> = (0..20)
        .map(|n| json!({ "name": format!("Lead number {n}") }))
        .collect();
    let made = client.post("/api/v1/leads/bulk", json!({ "leads": leads })).await;
    assert_eq!(made.expect(200)["successful"], 20);
}

#[tokio::test]
async fn each_coding_says_the_same_under_a_tag_of_its_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    leads(&acme.owner).await;
    let plain = acme.owner.get("/api/v1/leads").await;
    assert_eq!(plain.header("content-encoding"), None);
    let mut tags = vec![plain.header("etag").unwrap().to_owned()];

    for coding in CODINGS {
        let response = get(&acme.owner, "/api/v1/leads", &[("accept-encoding", coding)]).await;

        assert_eq!(response.header("content-encoding"), Some(coding));
        assert_eq!(decoded(&response), plain.body, "{coding}");
        assert!(response.body.len() < plain.body.len() / 4, "{coding}");
        assert!(response.header("vary").unwrap().contains("Accept-Encoding"));
        tags.push(response.header("etag").unwrap().to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
}

#[tokio::test]
async fn the_client_decides_and_short_answers_stay_as_they_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    leads(&acme.owner).await;
    let coding = async |path: &str, headers: &[(&str, &str)]| {
        let response = get(&acme.owner, path, headers).await;
        response.header("content-encoding").map(str::to_owned)
    };

    let wants = async |accept: &str| coding("/api/v1/leads", &[("accept-encoding", accept)]).await;
    assert_eq!(
        wants("gzip;q=0.9, br;q=1.0, zstd;q=0").await.as_deref(),
        Some("br")
    );
    assert_eq!(wants("gzip;q=0, identity").await, None);
    assert_eq!(wants("deflate").await, None);
    let opted_out = [("accept-encoding", "gzip"), ("x-no-compression", "1")];
    assert_eq!(coding("/api/v1/leads", &opted_out).await, None);
    assert_eq!(
        coding("/api/v1/tenant", &[("accept-encoding", "gzip")]).await,
        None
    );
    let refused = [("accept-encoding", "gzip, identity;q=0")];
    assert_eq!(coding("/api/v1/tenant", &refused).await.as_deref(), Some("gzip"));
}

#[tokio::test]
async fn compression_can_be_switched_off_and_its_threshold_moved() {
    let mut app = TestApp::start_with(|config| config.http.compression.enabled = false).await;
    let acme = app.tenant("acme").await;
    leads(&acme.owner).await;
    let gzip = [("accept-encoding", "gzip")];

    let off = get(&acme.owner, "/api/v1/leads", &gzip).await;
    app.restart_with(|config| {
        config.http.compression.enabled = true;
        config.http.compression.threshold_bytes = 100;
    })
    .await;
    let on = get(&acme.owner, "/api/v1/tenant", &gzip).await;

    assert_eq!(off.header("content-encoding"), None);
    assert_eq!(on.header("content-encoding"), Some("gzip"));
    assert_eq!(
        serde_json::from_slice::<Value>(&decoded(&on)).unwrap()["id"],
        acme.id.as_str()
    );
}

#[tokio::test]
async fn who_has_an_answer_in_any_form_is_told_so_without_a_body() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    leads(&acme.owner).await;
    let plain = acme.owner.get("/api/v1/leads").await;
    let base = plain.header("etag").unwrap().trim_matches('"').to_owned();

    for accept in ["", "gzip", "br", "zstd"] {
        // As we gave it; as a proxy made it that compresses by itself; as one made it that only weakens tags.
        for known in [
            format!("\"{base}\""),
            format!("\"{base}-gzip\""),
            format!("W/\"{base}-br\""),
            format!("\"other\", W/\"{base}\""),
            "*".to_owned(),
        ] {
            let headers = [("accept-encoding", accept), ("if-none-match", known.as_str())];
            let response = get(&acme.owner, "/api/v1/leads", &headers).await;

            assert_eq!(response.status, 304, "{accept} {known}");
            assert!(response.body.is_empty());
            assert_eq!(response.header("content-encoding"), None);
            // The tag is the one that the client's entry has, or it could not be found again.
            let tag = response.header("etag").unwrap();
            assert!(known == "*" || known.contains(tag), "{tag} for {known}");
        }
    }
    acme.lead("Another").await;
    let headers = [
        ("accept-encoding", "gzip"),
        ("if-none-match", plain.header("etag").unwrap()),
    ];
    assert_eq!(get(&acme.owner, "/api/v1/leads", &headers).await.status, 200);
}

#[tokio::test]
async fn a_tag_with_several_fields_in_it_is_understood() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/leads/{}?fields=id,name,email", acme.lead("Ann").await);
    let tag = acme.owner.get(&path).await.header("etag").unwrap().to_owned();

    let again = get(&acme.owner, &path, &[(IF_NONE_MATCH.as_str(), &tag)]).await;

    assert_eq!(
        (again.status.as_u16(), again.header("etag")),
        (304, Some(tag.as_str()))
    );
}

#[tokio::test]
async fn a_tag_of_any_coding_lets_the_version_be_changed() {
    let app = TestApp::start_with(|config| config.http.compression.threshold_bytes = 0).await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/leads/{}", acme.lead("Ann").await);

    for (change, coding) in ["gzip", "br", "zstd"].into_iter().enumerate() {
        let read = get(&acme.owner, &path, &[(ACCEPT_ENCODING.as_str(), coding)]).await;
        let tag = read.header("etag").unwrap();
        assert!(tag.ends_with(&format!("-{coding}\"")), "{tag}");
        let rename = |name: String| {
            let request = acme.owner.request(Method::PATCH, &path);
            request
                .header(IF_MATCH, tag)
                .header(ACCEPT_ENCODING, coding)
                .json(&json!({ "name": name }))
        };

        let changed = acme.owner.send(rename(format!("Ann {change}"))).await;
        let stale = acme.owner.send(rename("Nobody".to_owned())).await;

        assert_eq!(changed.status, 200);
        assert_eq!(changed.header("content-encoding"), Some(coding));
        let now = changed.header("etag").unwrap();
        let version = format!("\"{}.@", change + 2);
        assert!(
            now.starts_with(&version) && now.ends_with(&format!("-{coding}\"")),
            "{now}"
        );
        assert_eq!(stale.status, 412);
    }
}

#[tokio::test]
async fn the_last_change_is_told_once_it_cannot_be_told_wrong() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    assert_eq!(acme.owner.get(&path).await.header("last-modified"), None);
    app.clock.advance(Duration::seconds(61));

    let settled = acme.owner.get(&path).await;

    let moment = settled.header("last-modified").unwrap();
    let since = [(IF_MODIFIED_SINCE.as_str(), moment)];
    assert_eq!(get(&acme.owner, &path, &since).await.status, 304);
    let earlier = [(IF_MODIFIED_SINCE.as_str(), "Sat, 01 Jan 2000 00:00:00 GMT")];
    assert_eq!(get(&acme.owner, &path, &earlier).await.status, 200);
    // The tag is the better of two conditions.
    let both = [since[0], (IF_NONE_MATCH.as_str(), "\"99\"")];
    assert_eq!(get(&acme.owner, &path, &both).await.status, 200);
    let renamed = acme.owner.patch(&path, json!({ "name": "Ann Ferris" })).await;
    renamed.expect(200);
    assert_eq!(get(&acme.owner, &path, &since).await.status, 200);
}

#[tokio::test]
async fn an_export_is_compressed_as_it_comes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    leads(&acme.owner).await;
    let plain = acme.owner.get("/api/v1/leads/export").await;

    for coding in CODINGS {
        let response = get(
            &acme.owner,
            "/api/v1/leads/export",
            &[("accept-encoding", coding)],
        )
        .await;

        assert_eq!(response.header("content-encoding"), Some(coding));
        assert_eq!(decoded(&response), plain.body, "{coding}");
    }
    assert_eq!(String::from_utf8(plain.body).unwrap().lines().count(), 21);
}

#[tokio::test]
async fn the_specification_is_compressed_too() {
    let app = TestApp::start().await;

    let response = get(&app.anonymous(), "/openapi.json", &[("accept-encoding", "br")]).await;

    assert_eq!(response.header("content-encoding"), Some("br"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    let specification: Value = serde_json::from_slice(&decoded(&response)).unwrap();
    assert_eq!(specification["info"]["title"], "Fairlead");
}

#[tokio::test]
async fn a_write_is_named_in_its_answer_and_a_read_may_ask_for_it() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let made = acme.owner.post("/api/v1/leads", json!({ "name": "Ann" })).await;
    let path = made.header("location").unwrap();
    let token = made.header("fairlead-consistency").unwrap();

    for asked in [token, "strong"] {
        let read = get(&acme.owner, path, &[("fairlead-consistency", asked)]).await;

        assert_eq!(read.status, 200, "{asked}");
        assert!(read.header("fairlead-read-source").is_some());
        assert_eq!(read.header("fairlead-consistency"), None, "nothing was written");
    }
    for malformed in ["", "1/16/B374D848", &token[1..], "STRONG"] {
        let refused = get(&acme.owner, path, &[("fairlead-consistency", malformed)]).await;

        assert_eq!(refused.problem(), "malformed-request", "{malformed}");
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .contains("Fairlead-Consistency")
        );
    }
    let foreign = get(
        &umbrella.owner,
        "/api/v1/leads",
        &[("fairlead-consistency", token)],
    )
    .await;
    // It cannot be read, and tells nothing of the other: the word strong asks for as much.
    assert_eq!(foreign.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn every_kind_of_write_is_named() {
    // The operation might end before it is cancelled.
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let owner = &acme.owner;
    let file = owner
        .request(Method::POST, "/api/v1/leads/import")
        .header("content-type", "text/csv")
        .header("prefer", "respond-async");
    let accepted = owner.send(file.body("name\nDan\n")).await;
    let operation = accepted.header("location").unwrap().to_owned();

    let answers = [
        owner.patch(&lead, json!({ "name": "Ben" })).await,
        owner
            .post("/api/v1/leads/bulk", json!({ "leads": [{ "name": "Cy" }] }))
            .await,
        owner
            .post("/api/v1/carriers", json!({ "name": "Acme Mutual" }))
            .await,
        owner
            .patch("/api/v1/tenant", json!({ "name": "Acme Group" }))
            .await,
        owner.delete(&lead).await,
        accepted,
        owner.delete(&operation).await,
    ];

    for answer in answers {
        assert!(answer.status.is_success(), "{answer:?}");
        assert!(answer.header("fairlead-consistency").is_some(), "{answer:?}");
    }
    let refused = owner.patch(&lead, json!({ "name": "Ben" })).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("fairlead-consistency")),
        (404, None)
    );
}
