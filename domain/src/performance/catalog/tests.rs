use proptest::prelude::*;

use super::*;
use crate::performance::maintenance::TableState;

fn table(rows: u64, row_bytes: u64, pages: u64) -> TableReport {
    TableReport {
        state: TableState::default(),
        partitions: None,
        heap_bytes: pages * 8_192,
        table_bytes: pages * 8_192,
        index_bytes: 0,
        estimated_rows: Some(rows),
        row_bytes: Some(row_bytes),
        upkeep: Upkeep::default(),
        scans: Scans::default(),
        changes: Changes::default(),
        indexes: Vec::new(),
        counted_since: None,
    }
}

#[test]
fn what_rows_do_not_fill_is_bloat() {
    // 24 and 100 bytes end at 128, and with the pointer 61 rows fill a page.
    let full = table(6_100, 100, 100);
    assert_eq!(full.bloat().map(|bloat| bloat.bytes), Some(0));

    let half = table(3_050, 100, 100).bloat().unwrap();
    assert_eq!(half.bytes, 50 * 8_192);
    assert!((half.ratio - 0.5).abs() < 1e-9);
}

#[test]
fn of_a_table_that_was_not_analysed_no_bloat_is_told() {
    let unknown = TableReport {
        estimated_rows: None,
        ..table(10, 10, 10)
    };
    assert_eq!(unknown.bloat(), None);
    assert_eq!(table(0, 100, 0).bloat().map(|bloat| bloat.bytes), Some(0));
}

#[test]
fn shares_of_nothing_are_none() {
    assert_eq!(
        (table(0, 0, 0).dead_ratio(), Scans::default().index_ratio()),
        (None, None)
    );
    let scans = Scans {
        sequential: 2,
        sequential_rows: 30,
        index: 6,
        index_rows: 9,
    };
    assert_eq!(scans.index_ratio(), Some(0.75));
}

proptest! {
    #[test]
    fn no_more_than_there_is_can_be_bloat(rows in 0_u64..1 << 40, wide in 0_u64..1 << 20, pages in 0_u64..1 << 30) {
        let table = table(rows, wide, pages);
        let bloat = table.bloat().unwrap();
        prop_assert!(bloat.bytes <= table.heap_bytes && (0.0..=1.0).contains(&bloat.ratio));
    }
}
