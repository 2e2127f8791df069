use std::time::Duration;

use uuid::Uuid;

use super::begin::pause;
use super::*;
use crate::Id;

#[test]
fn a_request_is_read_back_as_it_was() {
    for leads in [
        vec![],
        vec![
            Id::from_uuid(Uuid::from_u128(7)),
            Id::from_uuid(Uuid::from_u128(1)),
        ],
    ] {
        let request = ScoringRequest { leads };

        assert_eq!(ScoringRequest::parse(&request.to_json()).unwrap(), request);
    }
    assert!(ScoringRequest::parse(r#"{"leads": [], "newer": 1}"#).is_err());
}

#[test]
fn a_run_waits_twice_as_long_each_time_and_for_a_day_at_the_most() {
    let pauses: Vec<u64> = (0..7).map(|waits| pause(waits).as_secs()).collect();

    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
    assert_eq!(pause(u32::MAX), Duration::from_mins(5));
    let all: Duration = (0..MAX_WAITS).map(pause).sum();
    let hours = all.as_secs() / 3_600;
    assert!((23..=25).contains(&hours), "{all:?}");
}
