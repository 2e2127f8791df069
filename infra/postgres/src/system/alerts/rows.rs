//! From rows to rules, alerts and notices, and back.

use std::collections::BTreeSet;

use fairlead_domain::Id;
use fairlead_domain::performance::alerts::{
    Alert, AlertNotice, Changed, Escalation, Incident, KeptRule, Known, Metric, NoticeKind, Rule, Severity,
    Silence, Standing, Timing, Turn, Watch,
};
use fairlead_domain::store::StoreError;
use time::Duration;

use crate::connection::Sql;
use crate::error::{SqlError, corrupt, unexpected};
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

/// Alerts that are over, with what was told of them, are kept as long as what tenants have taken.
const KEPT_FOR: Duration = Duration::days(400);

/// Why it can be written as JSON.
const PLAIN: &str = "plain data with string keys";

const CLEAR: &str = "
    DELETE FROM perf.alerts
    WHERE id = ANY (ARRAY(SELECT id FROM perf.alerts WHERE resolved_at < $1 LIMIT $2))";

/// Of alerts that were over long ago.
pub(in crate::system) async fn clear_alerts(store: &PgSystemStore) -> Result<(), StoreError> {
    store.clear_in_batches(CLEAR, store.now() - KEPT_FOR).await
}

pub(super) fn watch_json(watch: &Watch) -> String {
    serde_json::to_string(watch).expect(PLAIN)
}

pub(super) fn silence_json(silence: &Silence) -> String {
    serde_json::to_string(silence).expect(PLAIN)
}

pub(super) fn incident_json(incident: &Incident) -> String {
    serde_json::to_string(incident).expect(PLAIN)
}

pub(super) fn turn(row: &Row) -> Result<Turn, StoreError> {
    let read = || -> Result<Turn, Error> {
        Ok(Turn {
            number: row.try_get(0)?,
            now: row.try_get(1)?,
        })
    };
    Ok(read().map_err(SqlError::from)?)
}

/// Whether a row was not there; without an answer it is, as somebody has changed it.
pub(super) fn is_new(row: Option<Row>) -> Result<bool, StoreError> {
    let is_new = row.map(|row| row.try_get(0)).transpose();
    Ok(is_new.map_err(SqlError::from)?.unwrap_or_default())
}

/// From `$1`.
pub(super) fn bind_rule<'s>(sql: Sql<'s>, rule: &Rule) -> Sql<'s> {
    let timing = rule.timing;
    sql.bind(rule.key.as_str())
        .bind(rule.metric.as_str())
        .bind(rule.warning())
        .bind(rule.critical())
        .bind(timing.hold.whole_seconds())
        .bind(timing.calm.whole_seconds())
        .bind(timing.cooldown.whole_seconds())
        .bind(timing.escalate_after.whole_seconds())
}

pub(super) fn bind_kept_rule<'s>(sql: Sql<'s>, kept: &KeptRule) -> Sql<'s> {
    let changed = kept.changed.as_ref();
    bind_rule(sql, &kept.rule)
        .bind(kept.is_enabled)
        .bind(changed.map(|changed| changed.by.as_str()))
        .bind(changed.map(|changed| changed.at))
}

/// Reads what can be read. What cannot, as a newer release may have made it, does not keep the rest from being judged: it
/// is told by its key, which is made of what stands in a column.
pub(super) fn known<T>(
    what: &'static str,
    rows: &[Row],
    column: usize,
    key: impl Fn(&str) -> String,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Known<T>, StoreError> {
    let (mut all, mut unread) = (Vec::new(), BTreeSet::new());
    for row in rows {
        match read(row) {
            Ok(read) => all.push(read),
            Err(error) => {
                let named: &str = row.try_get(column).map_err(SqlError::from)?;
                let (key, error) = (key(named), &error as &dyn std::error::Error);
                tracing::error!(key, error, "{what} is left alone");
                unread.insert(key);
            }
        }
    }
    Ok(Known { all, unread })
}

pub(super) fn rule(row: &Row) -> Result<KeptRule, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let key: String = row.try_get(0).map_err(get)?;
    let metric: String = row.try_get(1).map_err(get)?;
    let metric =
        Metric::parse(&metric).ok_or_else(|| unexpected(format!("the rule {key} watches {metric}")))?;
    let seconds = |column: usize| row.try_get(column).map(Duration::seconds).map_err(get);
    let timing = Timing {
        hold: seconds(4)?,
        calm: seconds(5)?,
        cooldown: seconds(6)?,
        escalate_after: seconds(7)?,
    };
    let (warning, critical) = (row.try_get(2).map_err(get)?, row.try_get(3).map_err(get)?);
    let rule = Rule::new(key, metric, warning, critical, timing);
    Ok(KeptRule {
        rule: rule.map_err(|error| unexpected(format!("a rule makes no sense: {error}")))?,
        is_enabled: row.try_get(8).map_err(get)?,
        changed: changed(row, 9).map_err(get)?,
    })
}

pub(super) fn changed(row: &Row, column: usize) -> Result<Option<Changed>, Error> {
    let by: Option<String> = row.try_get(column)?;
    let at = row.try_get(column + 1)?;
    Ok(by.zip(at).map(|(by, at)| Changed { by, at }))
}

/// What another version has written and this one cannot read is as if nothing had been.
pub(super) fn standing(row: &Row) -> Result<(String, Standing), StoreError> {
    let read = || -> Result<(String, Standing), Error> {
        let silence: Option<&str> = row.try_get(2)?;
        let standing = Standing {
            watch: serde_json::from_str(row.try_get(1)?).unwrap_or_default(),
            silence: silence.and_then(|silence| serde_json::from_str(silence).ok()),
            value: row.try_get(3)?,
            read_at: row.try_get(4)?,
        };
        Ok((row.try_get(0)?, standing))
    };
    Ok(read().map_err(SqlError::from)?)
}

pub(super) fn alert(row: &Row) -> Result<Alert, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let id = row.try_get(0).map_err(get)?;
    let metric: Option<&str> = row.try_get(2).map_err(get)?;
    let incident: &str = row.try_get(3).map_err(get)?;
    Ok(Alert {
        id: Id::from_uuid(id),
        rule: row.try_get(1).map_err(get)?,
        metric: metric.and_then(Metric::parse),
        incident: serde_json::from_str(incident)
            .map_err(|error| corrupt("perf.alerts", id, error.to_string()))?,
        acknowledged_by: row.try_get(4).map_err(get)?,
        resolved: row.try_get(5).map_err(get)?,
    })
}

pub(super) fn notice(row: &Row) -> Result<AlertNotice, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let id = row.try_get(0).map_err(get)?;
    let broken = |what: &str| corrupt("perf.alert_notices", id, format!("no good {what}"));
    let kind: &str = row.try_get(2).map_err(get)?;
    let severity: &str = row.try_get(3).map_err(get)?;
    let why: Option<&str> = row.try_get(5).map_err(get)?;
    let why = why.map(|why| Escalation::parse(why).ok_or_else(|| broken("reason")));
    Ok(AlertNotice {
        id,
        at: row.try_get(1).map_err(get)?,
        kind: NoticeKind::parse(kind).ok_or_else(|| broken("kind"))?,
        severity: Severity::parse(severity).ok_or_else(|| broken("severity"))?,
        value: row.try_get(4).map_err(get)?,
        why: why.transpose()?,
    })
}
