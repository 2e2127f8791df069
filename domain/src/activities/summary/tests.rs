use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::access::Actor;
use crate::activities::ActivityKind;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

fn activity(kind: ActivityKind, subject: &str, days_ago: i64) -> Activity {
    let lead = Id::from_uuid(Uuid::from_u128(7));
    let at = NOW - Duration::days(days_ago);
    Activity::automatic(
        Uuid::from_u128(9),
        lead,
        kind,
        subject.to_owned(),
        Actor::System,
        at,
    )
}

#[test]
fn rules_count_and_tell_the_last_one() {
    let activities = [
        activity(ActivityKind::Score, "0 to 72", 1),
        activity(ActivityKind::Call, "wants a quote", 9),
        activity(ActivityKind::Call, "not there", 12),
    ];

    let Summary { text, next_steps } = rules::summarize(&activities, NOW);

    assert_eq!(
        text,
        "3 activities of late: 2 CALL, 1 SCORE. The last one, a day ago: SCORE, 0 to 72."
    );
    assert_eq!(next_steps, ["Get in touch again: the last time was 9 days ago."]);
    let lately = [activity(ActivityKind::Call, "wants a quote", 0)];
    let Summary { text, next_steps } = rules::summarize(&lately, NOW);
    assert_eq!(
        text,
        "1 activity of late: 1 CALL. The last one, today: CALL, wants a quote."
    );
    assert_eq!(next_steps, Vec::<String>::new());
}

#[test]
fn a_model_is_told_the_beginning_of_what_stands_in_activities() {
    let mut long = activity(ActivityKind::Note, "a note", 2);
    long.body = Some("ä".repeat(10_000));

    let question = prompt::question(&[long], NOW);

    assert!(question.content.contains("\"daysAgo\":2"));
    assert_eq!(question.content.matches('ä').count(), 500);
}

#[test]
fn an_answer_has_the_form_that_was_asked_for_or_is_none() {
    let read = prompt::read(r#"{"summary": "Two calls.\nNo answer.", "nextSteps": ["call again"]}"#).unwrap();
    assert_eq!(
        (read.text.as_str(), read.next_steps),
        ("Two calls.\nNo answer.", vec!["call again".to_owned()])
    );

    for other in [
        "",
        r#"{"summary": "", "nextSteps": []}"#,
        r#"{"summary": "x"}"#,
        r#"{"summary": "x", "nextSteps": ["1", "2", "3", "4"]}"#,
        r#"{"summary": "x", "nextSteps": ["a\nb"]}"#,
        r#"{"summary": "x\u0000", "nextSteps": []}"#,
        r#"{"summary": "x", "nextSteps": [], "also": 1}"#,
    ] {
        assert_eq!(prompt::read(other), None, "{other}");
    }
}
