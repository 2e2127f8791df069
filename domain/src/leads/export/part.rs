use super::{ExportFormat, LeadFiles, MAX_PART_LEADS};
use crate::leads::Lead;
use crate::paging::{Page, Position, SortKey};

/// Behind the lead that makes it so large a part ends. A lead has some tens of kilobytes at the most.
const FULL_PART_BYTES: usize = 1 << 20;

/// A part of the file, ready to be kept or sent.
#[derive(Clone, Debug)]
pub struct Part {
    pub content: String,
    /// How many leads it has.
    pub leads: u64,
    /// What the next one begins behind; `None`: it is the last one.
    pub next: Option<Position>,
    /// How many leads the next one is likely to have room for, so that few are read for nothing.
    pub next_limit: u32,
}

impl Part {
    /// Makes a part of the leads that come behind `after`, at most `limit` of which were asked for; those that have no
    /// room in it are left to the next one.
    pub fn of(
        files: &dyn LeadFiles,
        format: ExportFormat,
        after: Option<Position>,
        page: Page<Lead>,
        limit: u32,
    ) -> Self {
        let mut content = String::new();
        if after.is_none() {
            content.push_str(files.head(format));
        }
        let mut left = page.items.into_iter();
        let mut leads = 0;
        while let Some(lead) = left.next() {
            let position = Position {
                key: SortKey::Time(lead.created_at),
                id: lead.id.as_uuid(),
            };
            files.add_line(format, lead, &mut content);
            leads += 1;
            if content.len() >= FULL_PART_BYTES && left.len() > 0 {
                return Self {
                    content,
                    leads: leads.into(),
                    next: Some(position),
                    next_limit: (leads + leads / 4 + 1).min(MAX_PART_LEADS),
                };
            }
        }
        Self {
            content,
            leads: leads.into(),
            next: page.next,
            next_limit: limit.saturating_mul(2).min(MAX_PART_LEADS),
        }
    }
}
