//! How many requests were as promised.

use std::collections::BTreeMap;

use fairlead_domain::performance::alerts::{Counts, KeptObjective, Objective, Requests};
use fairlead_domain::store::StoreError;
use time::Duration;

use super::rows;
use crate::connection::Connection;
use crate::error::{SqlError, unexpected};
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

// In one order, so that processes that add at once wait for each other and never in a ring.
const ADD: &str = "
    INSERT INTO perf.objective_counts AS known (at, objective, total, bad)
    SELECT c.at, c.objective, c.total, c.bad
    FROM unnest($1::timestamptz[], $2::text[], $3::bigint[], $4::bigint[]) AS c (at, objective, total, bad)
    ORDER BY c.at, c.objective
    ON CONFLICT ON CONSTRAINT objective_counts_pkey DO UPDATE
    SET total = known.total + EXCLUDED.total, bad = known.bad + EXCLUDED.bad";

// The five minutes under way, and those before them that are within the window.
const REQUESTS: &str = "
    SELECT c.objective, w.seconds, SUM(c.total)::bigint, SUM(c.bad)::bigint
    FROM unnest($1::bigint[]) AS w (seconds)
    JOIN perf.objective_counts AS c
      ON c.at > now() - w.seconds * interval '1 second' - interval '5 minutes' AND c.at <= now()
    GROUP BY c.objective, w.seconds";

const CLEAR: &str = "
    DELETE FROM perf.objective_counts
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM perf.objective_counts WHERE at < $1 LIMIT $2))";

/// Adds what became of requests to what all processes know of that.
pub(in crate::system) async fn add_requests(
    connection: &Connection,
    counts: &Counts,
) -> Result<(), StoreError> {
    if counts.is_empty() {
        return Ok(());
    }
    let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let (mut at, mut names, mut total, mut bad) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (began_at, objective, count) in counts.iter() {
        at.push(began_at);
        names.push(objective);
        total.push(whole(count.total));
        bad.push(whole(count.bad));
    }
    connection
        .sql(ADD)
        .bind(at)
        .bind(names)
        .bind(total)
        .bind(bad)
        .enqueue()
        .await
}

/// Of times that no objective looks at any more.
pub(in crate::system) async fn clear_requests(store: &PgSystemStore) -> Result<(), StoreError> {
    let before = store.now() - Objective::PERIOD - Duration::DAY;
    store.clear_in_batches(CLEAR, before).await
}

pub(super) async fn requests(
    connection: &Connection,
    windows: &[Duration],
) -> Result<BTreeMap<String, Vec<Requests>>, StoreError> {
    let seconds: Vec<i64> = windows.iter().map(|window| window.whole_seconds()).collect();
    let rows = connection.sql(REQUESTS).bind(seconds).fetch_all().await?;
    let mut all: BTreeMap<String, Vec<Requests>> = BTreeMap::new();
    for row in &rows {
        let (objective, requests) = requests_of(row).map_err(SqlError::from)?;
        all.entry(objective).or_default().push(requests);
    }
    Ok(all)
}

fn requests_of(row: &Row) -> Result<(String, Requests), Error> {
    let requests = Requests {
        window: Duration::seconds(row.try_get(1)?),
        total: row.try_get::<i64>(2)?.unsigned_abs(),
        bad: row.try_get::<i64>(3)?.unsigned_abs(),
    };
    Ok((row.try_get(0)?, requests))
}

/// # Errors
///
/// When it is none that this release knows: what it promises is the program's to know.
pub(super) fn kept(row: &Row) -> Result<KeptObjective, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let name: &str = row.try_get(0).map_err(get)?;
    let original = KeptObjective::find_original(name)
        .ok_or_else(|| unexpected(format!("what {name} promises is not known")))?;
    let promise = original.objective.promise;
    let objective = Objective::new(name, promise, row.try_get(1).map_err(get)?)
        .map_err(|error| unexpected(format!("an objective makes no sense: {error}")))?;
    Ok(KeptObjective {
        objective,
        is_enabled: row.try_get(2).map_err(get)?,
        changed: rows::changed(row, 3).map_err(get)?,
    })
}
