use time::OffsetDateTime;

use crate::performance::maintenance::TableState;
use crate::performance::statistics::{real_u64, share};

/// A table, as the server has counted what was done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableReport {
    pub state: TableState,
    /// How many partitions it has; `None`: it is not partitioned.
    pub partitions: Option<u64>,
    /// Of the rows themselves, without what is kept beside them for being long.
    pub heap_bytes: u64,
    /// The same with what is kept beside them, and the maps of free space and visibility.
    pub table_bytes: u64,
    pub index_bytes: u64,
    /// As of the last ANALYZE; `None` before the first.
    pub estimated_rows: Option<u64>,
    /// How wide the values of a row are on average, as of the last ANALYZE; `None`: that is not known, or is not to be
    /// told to whoever asks.
    pub row_bytes: Option<u64>,
    pub upkeep: Upkeep,
    pub scans: Scans,
    pub changes: Changes,
    /// The largest first.
    pub indexes: Vec<IndexUse>,
    /// Since when is counted what is counted.
    pub counted_since: Option<OffsetDateTime>,
}

/// What was done to keep a table well. Of a partitioned one: to the partition that it was done to last, and to all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    pub vacuumed_at: Option<OffsetDateTime>,
    pub autovacuumed_at: Option<OffsetDateTime>,
    pub analysed_at: Option<OffsetDateTime>,
    pub autoanalysed_at: Option<OffsetDateTime>,
    pub vacuums: u64,
    pub autovacuums: u64,
    pub analyses: u64,
    pub autoanalyses: u64,
}

/// How a table was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scans {
    /// From its beginning to its end,
    pub sequential: u64,
    /// and how many rows that were.
    pub sequential_rows: u64,
    /// By an index,
    pub index: u64,
    /// and how many rows were fetched.
    pub index_rows: u64,
}

/// How many rows were changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub inserted: u64,
    pub updated: u64,
    /// Of the updates, those that no index had to be told of.
    pub hot_updated: u64,
    pub deleted: u64,
}

/// An index of a table. That of a partitioned one is the sum of those of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexUse {
    pub name: String,
    /// The statement that makes it.
    pub definition: String,
    pub bytes: u64,
    pub scans: u64,
    /// Entries that scans have returned, and rows that they have fetched.
    pub entries_read: u64,
    pub rows_fetched: u64,
    pub is_unique: bool,
    /// It belongs to a constraint.
    pub is_constraint: bool,
    /// Its building has come to an end.
    pub is_valid: bool,
}

/// Space of a table that holds nothing which anybody may see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bloat {
    pub bytes: u64,
    /// Of the rows' own pages.
    pub ratio: f64,
}

/// A page, what it says of itself, and what each row has beside its values: a pointer and a header, which ends at a multiple
/// of eight bytes.
const PAGE: u64 = 8_192;
const PAGE_HEADER: u64 = 24;
const POINTER: u64 = 4;
const ROW_HEADER: u64 = 24;
const ALIGNMENT: u64 = 8;

impl TableReport {
    /// Estimates the bloat by how many pages the rows would fill; `None`: the table was not analysed, so nobody knows how
    /// many rows it has and how wide they are. Of rows of very different widths the estimate is a rough one.
    pub fn bloat(&self) -> Option<Bloat> {
        let (rows, row_bytes) = (self.estimated_rows?, self.row_bytes?);
        let row = (ROW_HEADER + row_bytes).next_multiple_of(ALIGNMENT) + POINTER;
        // What does not fit is kept beside the table.
        let of_a_page = ((PAGE - PAGE_HEADER) / row).max(1);
        let filled = rows.div_ceil(of_a_page).saturating_mul(PAGE);
        let bytes = self.heap_bytes.saturating_sub(filled);
        Some(Bloat {
            bytes,
            ratio: share(real_u64(bytes), real_u64(self.heap_bytes)).unwrap_or_default(),
        })
    }

    /// Which share of its rows is dead; `None`: it has none.
    pub fn dead_ratio(&self) -> Option<f64> {
        let dead = real_u64(self.state.dead_rows);
        share(dead, dead + real_u64(self.state.live_rows))
    }
}

impl Scans {
    /// Which share of scans went by an index; `None`: there were none.
    pub fn index_ratio(&self) -> Option<f64> {
        let index = real_u64(self.index);
        share(index, index + real_u64(self.sequential))
    }
}
