use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context() -> Arc<RequestContext> {
    Arc::new(RequestContext::from_headers(None, None, None))
}

#[test]
fn a_trace_is_continued_with_a_span_of_our_own() {
    let trace = TraceContext::continue_from(SENT).unwrap();

    assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(trace.parent().unwrap().to_string(), "00f067aa0ba902b7");
    assert_ne!(Some(trace.span_id()), trace.parent());
    assert_eq!(
        trace.traceparent(),
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", trace.span_id())
    );
}

#[test]
fn what_we_send_can_be_continued() {
    let ours = TraceContext::begin();

    let theirs = TraceContext::continue_from(&ours.traceparent()).unwrap();

    assert_eq!(theirs.trace_id(), ours.trace_id());
    assert_eq!(theirs.parent(), Some(ours.span_id()));
    assert!(theirs.is_sampled());
}

#[test]
fn a_later_version_is_read_as_far_as_we_know_it() {
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02-what-comes-next";

    let trace = TraceContext::continue_from(later).unwrap();

    assert!(!trace.is_sampled());
    assert!(
        trace
            .traceparent()
            .starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    );
}

#[test]
fn a_malformed_traceparent_begins_a_new_trace() {
    let malformed = [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
    ];

    for header in malformed {
        assert_eq!(
            TraceContext::continue_from(header),
            Err(InvalidTraceparent),
            "{header}"
        );
        assert_eq!(TraceContext::accept(Some(header)).parent(), None);
    }
}

#[test]
fn a_request_id_is_kept_only_if_it_is_safe_to_print() {
    let longest = "x".repeat(128);

    for kept in ["a", "Req_1.2-3", &longest] {
        assert_eq!(RequestId::accept(Some(kept)).as_str(), kept);
    }
    for refused in ["", "a b", "a\nb", "ä", "<script>", &"x".repeat(129)] {
        assert_ne!(RequestId::accept(Some(refused)).as_str(), refused);
    }
    assert_ne!(RequestId::accept(None), RequestId::accept(None));
}

#[test]
fn database_work_adds_up() {
    let context = context();

    context.note_round_trip();
    context.note_statement(1, Duration::from_micros(300), 50);
    context.note_statement(2, Duration::from_micros(200), 0);

    let expected = DatabaseWork {
        statements: 2,
        round_trips: 1,
        rows: 50,
        time: Duration::from_micros(500),
    };
    assert_eq!(context.database_work(), expected);
}

#[test]
fn time_left_ends_at_zero() {
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let with =
        |deadline| RequestContext::new(RequestId::random(), TraceContext::begin(), deadline).time_left();

    assert_eq!(with(Some(past)), Some(Duration::ZERO));
    assert!(with(Some(Instant::now() + Duration::from_mins(1))).unwrap() > Duration::from_secs(50));
    assert_eq!(with(None), None);
}

#[tokio::test]
async fn the_request_follows_the_work_into_tasks_and_threads() {
    let context = context();
    assert!(current().is_none());

    scope(Arc::clone(&context), async {
        let in_task = crate::spawn(async { current().unwrap().note_round_trip() });
        let in_thread = crate::spawn_blocking(|| current().unwrap().note_statement(1, Duration::ZERO, 1));
        in_task.await.unwrap();
        in_thread.await.unwrap();
    })
    .await;

    let work = context.database_work();
    assert_eq!((work.round_trips, work.statements), (1, 1));
    assert!(current().is_none());
}
