//! How long statements take.

use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_domain::performance::{STATEMENT_BOUNDS_MS, StatementReport};
use fairlead_telemetry::metrics::Page;

#[derive(Default)]
struct Times {
    counts: [u64; STATEMENT_BOUNDS_MS.len() + 1],
    sum: Duration,
}

pub(super) fn write(page: &mut Page, statements: &[StatementReport]) {
    let mut series: BTreeMap<(&str, &str), Times> = BTreeMap::new();
    for statement in statements {
        let times = series.entry(verb_and_table(&statement.text)).or_default();
        for (count, more) in times.counts.iter_mut().zip(statement.counts) {
            *count += more;
        }
        times.sum += statement.times.sum();
    }
    let bounds = STATEMENT_BOUNDS_MS.map(Duration::from_millis);
    let mut family = page.histogram(
        "db_query_duration_seconds",
        "Time of a statement to its last row, by what it does and the first table that it names; unknown where it names none.",
    );
    for ((operation, table), times) in &series {
        let labels = [("operation", *operation), ("table", *table)];
        family.distribution(&labels, &bounds, &times.counts, times.sum);
    }
}

const VERBS: [&str; 4] = ["select", "insert", "update", "delete"];

/// What a statement does, and the first table it names. One that begins otherwise, such as `WITH`, does what the first verb
/// in it that is no reading does.
fn verb_and_table(text: &str) -> (&'static str, &str) {
    let is_name = |character: char| character.is_alphanumeric() || "_.\"".contains(character);
    let words = || {
        let words = text.split(|character: char| !is_name(character));
        words.filter(|word| !word.is_empty())
    };
    let verb = |wanted: &[&'static str]| {
        let found = words().find_map(|word| wanted.iter().find(|verb| verb.eq_ignore_ascii_case(word)));
        found.copied()
    };
    let first = words().next().unwrap_or_default();
    let operation = if first.eq_ignore_ascii_case("with") {
        verb(&VERBS[1..]).or_else(|| verb(&VERBS[..1]))
    } else {
        VERBS.into_iter().find(|verb| verb.eq_ignore_ascii_case(first))
    };
    let before_table = ["from", "into", "update", "join"];
    let mut all = words();
    let mut table = None;
    while let Some(word) = all.next() {
        if before_table
            .iter()
            .any(|before| before.eq_ignore_ascii_case(word))
        {
            table = all.clone().map(|word| word.trim_matches('"')).next();
            // `FROM unnest(…)`, `FROM (SELECT …)`, `FOR UPDATE`: there may be one further on.
            let is_table = |name: &str| {
                !["unnest", "select", "skip", "nowait", "set", "of", "lateral"]
                    .iter()
                    .any(|other| other.eq_ignore_ascii_case(name))
            };
            table = table.filter(|name| is_table(name));
            if table.is_some() {
                break;
            }
        }
    }
    (operation.unwrap_or("other"), table.unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_what_it_does_and_to_what() {
        for (text, expected) in [
            (
                "SELECT \"leads\".\"id\" FROM \"leads\" WHERE 1 = 1",
                ("select", "leads"),
            ),
            (
                "\n    INSERT INTO usage_by_day AS known (a) SELECT 1",
                ("insert", "usage_by_day"),
            ),
            ("UPDATE jobs SET state = 'x'", ("update", "jobs")),
            (
                "DELETE FROM perf.samples WHERE grain = 1",
                ("delete", "perf.samples"),
            ),
            (
                "WITH one AS (SELECT 1 FROM a) DELETE FROM b WHERE ctid = 1",
                ("delete", "a"),
            ),
            (
                "SELECT x FROM unnest($1) AS x JOIN leads ON true",
                ("select", "leads"),
            ),
            (
                "SELECT pg_database_size(current_database())",
                ("select", "unknown"),
            ),
            ("NOTIFY x", ("other", "unknown")),
            ("", ("other", "unknown")),
        ] {
            assert_eq!(verb_and_table(text), expected, "{text}");
        }
    }
}
