use super::names::key;
use crate::leads::{CloseReason, StatusName};

/// What a cell that is none of them is answered with.
pub(super) const ACCEPTED: &str = "NEW, CONTACTED, QUALIFIED, CLOSED (with closeReason), or a lead status of HubSpot, \
                                   Salesforce, Pipedrive or Zoho as these systems come";

/// Finds the place in our pipeline for a status of ours or of another system, written as it may be.
///
/// A lead that the other system keeps alive stays open here, too: "bad timing" and "contact in future" are contacted
/// leads, not lost ones.
pub(super) fn parse(text: &str) -> Option<(StatusName, Option<CloseReason>)> {
    use CloseReason::{Disqualified, Duplicate, Lost, Won};
    use StatusName::{Closed, Contacted, New, Qualified};
    Some(match key(text).as_str() {
        "new" | "open" | "opennotcontacted" | "notcontacted" => (New, None),
        "contacted" | "workingcontacted" | "working" | "inprogress" | "attemptedtocontact" | "connected"
        | "badtiming" | "contactinfuture" | "nurturing" => (Contacted, None),
        "qualified" | "prequalified" | "opendeal" => (Qualified, None),
        // Without a reason, which a column of its own may tell.
        "closed" => (Closed, None),
        "won" | "closedwon" | "closedconverted" | "converted" => (Closed, Some(Won)),
        "lost" | "closedlost" | "closednotconverted" | "lostlead" => (Closed, Some(Lost)),
        "unqualified" | "notqualified" | "disqualified" | "junklead" => (Closed, Some(Disqualified)),
        "duplicate" => (Closed, Some(Duplicate)),
        _ => return None,
    })
}
