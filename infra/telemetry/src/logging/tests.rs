use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::layer::LineLayer;
use super::render::{Colour, Renderer};
use super::*;
use crate::request::{self, RequestContext};

#[derive(Debug, thiserror::Error)]
#[error("cannot read the file")]
struct Unreadable(#[source] std::num::ParseIntError);

/// Returns what is written while `work` runs.
fn written(renderer: Renderer, work: impl FnOnce()) -> String {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let layer = LineLayer::new(renderer, move |_, line: &[u8]| {
        sink.lock().unwrap().extend_from_slice(line);
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    String::from_utf8(lines.lock().unwrap().clone()).unwrap()
}

fn json(work: impl FnOnce()) -> Value {
    let text = written(Renderer::Json, work);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_json_line_names_its_request_and_keeps_the_types_of_fields() {
    let context = Arc::new(RequestContext::from_headers(
        Some("req-1"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        None,
    ));

    let line = json(|| {
        request::sync_scope(context, || {
            tracing::info!(
                tenant.id = "t1",
                duration_ms = 12.5,
                rows = 3,
                cached = false,
                "listed leads"
            );
        });
    });

    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "listed leads");
    assert_eq!(line["target"], "fairlead_telemetry::logging::tests");
    assert_eq!(line["trace.id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["request.id"], "req-1");
    assert_eq!(
        (&line["tenant.id"], &line["rows"]),
        (&Value::from("t1"), &Value::from(3))
    );
    assert_eq!(
        (&line["duration_ms"], &line["cached"]),
        (&Value::from(12.5), &Value::from(false))
    );
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_fields_of_spans_are_inherited_and_the_innermost_wins() {
    let line = json(|| {
        let _outer =
            tracing::info_span!("request", otel.kind = "server", route = "/leads", step = 1).entered();
        let inner = tracing::info_span!("query", step = 2, rows = tracing::field::Empty).entered();
        inner.record("rows", 7);
        tracing::warn!("slow");
    });

    assert_eq!(line["route"], "/leads");
    assert_eq!(line["step"], 2);
    assert_eq!(line["rows"], 7);
    assert!(line.get("otel.kind").is_none());
    assert!(line.get("request.id").is_none());
}

#[test]
fn an_error_is_written_with_its_causes() {
    let cause = "x".parse::<i32>().unwrap_err();
    let error = Unreadable(cause);

    let line = json(|| tracing::error!(error = &error as &dyn std::error::Error, "import failed"));

    assert_eq!(
        line["error"],
        "cannot read the file: invalid digit found in string"
    );
}

#[test]
fn what_a_client_sent_cannot_forge_a_line_or_a_member() {
    let sent = "x\n{\"level\":\"ERROR\"}\u{1b}[2J";

    let line = json(|| tracing::info!(agent = sent, level = "ERROR", "{sent}"));
    let pretty = written(Renderer::Pretty(Colour::None), || {
        tracing::info!(agent = sent, "{sent}");
    });

    assert_eq!(line["level"], "INFO");
    assert_eq!(line["agent"], sent);
    assert_eq!(pretty.matches('\n').count(), 1);
    assert!(!pretty.contains('\u{1b}'));
}

#[test]
fn a_pretty_line_reads_from_left_to_right() {
    let line = written(Renderer::Pretty(Colour::None), || {
        tracing::info!(port = 8080, "listening");
    });

    assert!(
        line.ends_with("  INFO listening port=8080 [fairlead_telemetry::logging::tests]\n"),
        "{line}"
    );
}

#[test]
fn a_wrong_filter_is_named() {
    let error = check_filter("info,fairlead=loud").unwrap_err();

    assert_eq!(
        error.to_string(),
        "`info,fairlead=loud` is not a log filter such as `info,fairlead=debug`"
    );
    assert!(check_filter("info,fairlead_postgres=debug").is_ok());
}

#[test]
fn formats_are_read_by_name() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert_eq!("xml".parse::<Format>(), Err(UnknownFormat));
}
