//! Leads become a file.
//!
//! A client that stays may have it streamed; this is the file that is written in the background, part by part, and
//! fetched when it is whole. Both have the same lines in the same order: the newest lead first.

mod begin;
mod part;
mod port;
mod request;
#[cfg(test)]
mod tests;
mod work;

pub use begin::{ExportJob, begin};
pub use part::Part;
pub use port::LeadFiles;
pub use request::{BadExportRequest, ExportFormat, ExportRequest};
pub use work::{Export, resume, write};

use super::{LeadFilter, LeadQuery, LeadSort};
use crate::paging::{Direction, Paging, Position, Start};

/// How many leads are read at a time at the most: more than a page, because nobody waits for the first.
pub const MAX_PART_LEADS: u32 = 1_000;

/// Asks for the leads that come behind a place in the file, for a part of it.
pub fn query(filter: &LeadFilter, after: Option<Position>, limit: u32) -> LeadQuery {
    ordered(
        filter,
        Paging {
            start: Start::After(after),
            limit,
        },
    )
}

/// Asks for a first lead, and how many there are.
pub fn count(filter: &LeadFilter) -> LeadQuery {
    ordered(
        filter,
        Paging {
            start: Start::Page(0),
            limit: 1,
        },
    )
}

fn ordered(filter: &LeadFilter, paging: Paging) -> LeadQuery {
    LeadQuery {
        filter: filter.clone(),
        sort: LeadSort::CreatedAt,
        direction: Direction::Descending,
        paging,
    }
}
