use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::leads::{AssignedTo, SearchText, StatusName};

#[test]
fn a_request_is_read_back_as_it_was() {
    let everything = LeadFilter {
        status: Some(StatusName::Qualified),
        source: Some("a \"fair\"".to_owned()),
        assigned_to: Some(AssignedTo::Agent(Id::from_uuid(Uuid::from_u128(7)))),
        insurance_type: Some("home".to_owned()),
        zip_code: Some("94107".to_owned()),
        min_score: Some(40),
        created_after: Some(datetime!(2026-01-31 09:30:00.123456 UTC)),
        created_before: Some(datetime!(2026-02-28 09:30 +2)),
        // Some letters become two when they become small, and one of those is none.
        text: Some(SearchText::parse("İstanbul Broker").unwrap()),
    };
    let nobodys = LeadFilter {
        assigned_to: Some(AssignedTo::Nobody),
        ..LeadFilter::default()
    };

    for (format, filter) in [
        (ExportFormat::Csv, LeadFilter::default()),
        (ExportFormat::Ndjson, nobodys),
        (ExportFormat::Csv, everything),
    ] {
        let request = ExportRequest { format, filter };

        assert_eq!(ExportRequest::parse(&request.to_json()).unwrap(), request);
    }
}

#[test]
fn what_a_newer_release_asked_for_is_not_taken_for_less() {
    let newer = r#"{"format":"csv","company":"Acme"}"#;

    assert!(ExportRequest::parse(newer).is_err());
}
