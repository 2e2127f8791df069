//! What is measured before and after.

use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_domain::performance::acts::{Compared, Figures, MaintenanceError, Means, NewIndex};
use fairlead_domain::performance::catalog::Catalog;
use fairlead_domain::performance::{Fingerprint, LatencySketch, StatementReport};

/// Of a table.
pub(super) async fn table(catalog: &dyn Catalog, name: &str) -> Result<Figures, MaintenanceError> {
    let report = catalog.table(name).await?;
    let report =
        report.ok_or_else(|| MaintenanceError::Refused(format!("there is no table {name} any more")))?;
    let state = &report.state;
    let known = [
        ("liveRows", Some(real(state.live_rows))),
        ("deadRows", Some(real(state.dead_rows))),
        ("changedRows", Some(real(state.changed_rows))),
        ("tableBytes", Some(real(report.table_bytes))),
        ("indexBytes", Some(real(report.index_bytes))),
        ("bloatBytes", report.bloat().map(|bloat| real(bloat.bytes))),
        ("ageTransactions", Some(real(state.age))),
    ];
    let figures = known
        .into_iter()
        .filter_map(|(name, figure)| Some((name.to_owned(), figure?)));
    Ok(figures.collect())
}

/// Says what came of it.
pub(super) fn vacuumed(before: &Figures, after: &Figures) -> String {
    let figure = |figures: &Figures, name| figures.get(name).copied().unwrap_or_default();
    let (dead, left) = (figure(before, "deadRows"), figure(after, "deadRows"));
    let mut told =
        format!("{dead:.0} rows were dead, and {left:.0} are; the planner knows what the table has");
    if left > dead / 2.0 && left > 0.0 {
        told.push_str(
            "; what is left may be seen by somebody yet: look for transactions that stay open and replication slots that \
             nobody reads",
        );
    }
    told
}

/// What statements have taken: those that an index is to serve, and those that change rows of its table.
#[derive(Clone, Debug, Default)]
pub(super) struct OfIndex {
    reads: Times,
    writes: Times,
}

type Times = BTreeMap<Fingerprint, LatencySketch>;

impl OfIndex {
    pub(super) fn of(statements: &[StatementReport], index: &NewIndex) -> Self {
        let mut found = Self::default();
        for report in statements {
            let fingerprint = report.fingerprint.to_string();
            if index
                .serves
                .iter()
                .any(|served| served.fingerprint == fingerprint)
            {
                found.reads.insert(report.fingerprint, report.times.clone());
            } else if changes(&report.text, &index.table) {
                found.writes.insert(report.fingerprint, report.times.clone());
            }
        }
        found
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        let since = |now: &Times, earlier: &Times| -> Times {
            let nothing = LatencySketch::default();
            let each = now.iter();
            each.map(|(of, times)| (*of, times.since(earlier.get(of).unwrap_or(&nothing))))
                .collect()
        };
        Self {
            reads: since(&self.reads, &earlier.reads),
            writes: since(&self.writes, &earlier.writes),
        }
    }

    /// Reads and writes, each statement beside itself.
    pub(super) fn compare(&self, since: &Self) -> (Vec<Compared>, Vec<Compared>) {
        let compare = |before: &Times, since: &Times| {
            let each = since.iter();
            each.map(|(of, times)| Compared {
                before: before.get(of).map(means).unwrap_or_default(),
                since: means(times),
            })
            .collect()
        };
        (
            compare(&self.reads, &since.reads),
            compare(&self.writes, &since.writes),
        )
    }
}

fn means(times: &LatencySketch) -> Means {
    let mean = times.mean().unwrap_or(Duration::ZERO);
    Means {
        calls: real(times.count()),
        mean_ms: mean.as_secs_f64() * 1_000.0,
    }
}

/// Whether a statement of ours puts, changes or removes rows of a table.
fn changes(text: &str, table: &str) -> bool {
    let mut words = text
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty());
    let is_next = |words: &mut dyn Iterator<Item = &str>, wanted: &str| {
        words.next().is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    };
    match words.next().map(str::to_ascii_uppercase).as_deref() {
        Some("INSERT") => is_next(&mut words, "INTO") && is_next(&mut words, table),
        Some("DELETE") => is_next(&mut words, "FROM") && is_next(&mut words, table),
        Some("UPDATE") => is_next(&mut words, table),
        _ => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing here counts to 2⁵³")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_change_a_table_are_told_from_others() {
        for text in [
            "INSERT INTO leads (id) VALUES ($1)",
            "insert into \"leads\" (id) values ($1)",
            "UPDATE \"leads\" SET name = $1",
            "\n    DELETE FROM leads WHERE id = $1",
        ] {
            assert!(changes(text, "leads"), "{text}");
        }
        for text in [
            "",
            "SELECT * FROM leads",
            "INSERT INTO lead_statistics SELECT FROM leads",
            "UPDATE activities SET lead_id = $1",
            "DELETE",
        ] {
            assert!(!changes(text, "leads"), "{text}");
        }
    }

    #[test]
    fn dead_rows_that_stay_are_explained() {
        let dead = |rows| Figures::from([("deadRows".to_owned(), rows)]);
        assert_eq!(
            vacuumed(&dead(10_000.0), &dead(0.0)),
            "10000 rows were dead, and 0 are; the planner knows what the table has"
        );
        assert!(vacuumed(&dead(10_000.0), &dead(9_000.0)).contains("transactions that stay open"));
        assert!(!vacuumed(&dead(0.0), &dead(0.0)).contains("stay open"));
    }
}
