use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::leads::{CustomFields, Status};
use crate::text::{Email, Phone};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

fn subject() -> Subject {
    let lead = Lead {
        id: Id::from_uuid(Uuid::from_u128(7)),
        name: "Ann Secret".to_owned(),
        email: Some(Email::parse("ann@secret.test").unwrap()),
        phone: Some(Phone::parse("+1 555 010 0123").unwrap()),
        company: Some("Secret Ltd".to_owned()),
        status: Status::Contacted,
        source: Some("Referral".to_owned()),
        insurance_type: Some("auto".to_owned()),
        zip_code: Some("94107".to_owned()),
        quality_score: 0,
        assigned_to: None,
        custom_fields: CustomFields::default(),
        version: 1,
        created_at: datetime!(2026-11-02 12:00:00 UTC),
        updated_at: NOW,
    };
    let call = Activity {
        body: Some("a secret".to_owned()),
        ..Activity::automatic(
            Uuid::from_u128(9),
            lead.id,
            ActivityKind::Call,
            "a secret".to_owned(),
            Actor::System,
            datetime!(2026-11-20 12:00:00 UTC),
        )
    };
    Subject {
        lead,
        activities: vec![call],
    }
}

#[test]
fn rules_add_up_what_is_known() {
    let LeadScore { score, reasons } = rules::score(&subject());

    assert_eq!(score, 90);
    assert_eq!(
        reasons,
        [
            "was contacted (20)",
            "has an e-mail address (+10)",
            "has a phone number (+10)",
            "belongs to a company (+10)",
            "says what it wants (+10)",
            "says where it is (+5)",
            "was referred (+15)",
            "was talked to (+10)",
        ]
    );
    let mut best = subject();
    best.lead.status = Status::Qualified;
    assert_eq!(rules::score(&best).score, 100);
}

#[test]
fn who_it_is_is_not_told_to_a_model() {
    let question = prompt::question(&subject(), NOW);

    let told = question.content;
    assert!(
        !told.to_lowercase().contains("secret") && !told.contains("555"),
        "{told}"
    );
    assert!(
        told.contains("\"daysAgo\":2") && told.contains("\"ageDays\":20"),
        "{told}"
    );
}

#[test]
fn an_answer_has_the_form_that_was_asked_for_or_is_none() {
    let read = prompt::read(r#"{"score": 72, "reasons": [" was referred ", "a call"]}"#).unwrap();
    assert_eq!(
        (read.score, read.reasons),
        (72, vec!["was referred".to_owned(), "a call".to_owned()])
    );

    for other in [
        "",
        "72",
        "Sure! {\"score\": 72, \"reasons\": [\"x\"]}",
        r#"{"score": 101, "reasons": ["x"]}"#,
        r#"{"score": -1, "reasons": ["x"]}"#,
        r#"{"score": 7.5, "reasons": ["x"]}"#,
        r#"{"score": "72", "reasons": ["x"]}"#,
        r#"{"score": 72, "reasons": []}"#,
        r#"{"score": 72, "reasons": [""]}"#,
        r#"{"score": 72, "reasons": ["1", "2", "3", "4", "5", "6"]}"#,
        r#"{"score": 72, "reasons": ["a\u0000b"]}"#,
        r#"{"score": 72}"#,
        r#"{"score": 72, "reasons": ["x"], "delete": true}"#,
    ] {
        assert_eq!(prompt::read(other), None, "{other}");
    }
    let long = format!(r#"{{"score": 72, "reasons": ["{}"]}}"#, "x".repeat(201));
    assert_eq!(prompt::read(&long), None);
}
