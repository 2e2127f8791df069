use std::fmt::Write as _;
use std::time::Duration;

use time::OffsetDateTime;

use super::IndexAdvice;

/// A step of the schema that makes indexes, in the form of those that there are, and one that takes them away again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Without its ending: later than all that there are.
    pub name: String,
    pub up: String,
    /// Steps go forward only: it is to be another one.
    pub down: String,
    /// What is run before the step where others write meanwhile; then the step finds all done.
    pub ahead: Vec<String>,
    /// The same before the other one.
    pub ahead_of_down: Vec<String>,
}

/// Writes the step that makes what is advised, with the evidence for it.
pub fn migration(advice: &[IndexAdvice], measured: Duration, now: OffsetDateTime) -> Migration {
    let mut up = format!(
        "-- Indexes that statements were measured to need, within {:.1} hours until {}.\n\
         -- Where others write meanwhile, each is built ahead of this step by CREATE INDEX CONCURRENTLY, which cannot be in a transaction:\n\
         -- then it is here already. One whose building was broken off is invalid, and is dropped before it is built again.\n",
        measured.as_secs_f64() / 3_600.0,
        now.date(),
    );
    let mut down = "-- Takes the indexes away again that did not pay.\n".to_owned();
    for of in advice {
        let name = of.index.name();
        let _ = writeln!(
            up,
            "\n-- Saves {:.0} ms by a model of the statements, costs writes {:.0} ms, and takes about {:.0} bytes.",
            of.saved_ms, of.write_ms, of.bytes
        );
        for served in &of.serves {
            let _ = writeln!(
                up,
                "-- Statement {}: {:.0} ms, which is {:.0} % of its time.",
                served.fingerprint,
                served.saved_ms,
                served.share * 100.0
            );
        }
        if !of.replaces.is_empty() {
            let _ = writeln!(
                up,
                "-- Not needed beside it any more: {}.",
                of.replaces.join(", ")
            );
        }
        let _ = writeln!(up, "CREATE INDEX IF NOT EXISTS {name} ON {};", of.index);
        let _ = writeln!(down, "DROP INDEX IF EXISTS {name};");
    }
    let ahead_of_down = |of: &IndexAdvice| format!("DROP INDEX CONCURRENTLY IF EXISTS {}", of.index.name());
    let (date, time) = (now.date(), now.time());
    Migration {
        name: format!(
            "m{:04}{:02}{:02}_{:02}{:02}{:02}_advised_indexes",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        ),
        up,
        down,
        ahead: advice.iter().map(IndexAdvice::statement).collect(),
        ahead_of_down: advice.iter().map(ahead_of_down).collect(),
    }
}
