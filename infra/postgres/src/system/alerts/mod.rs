//! Rules, alerts, and what was told of them.

mod objectives;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::performance::alerts::{
    Alert, AlertId, AlertNotice, Alerts, Escalation, KeptObjective, KeptRule, Known, Metric, Objective,
    Requests, Rule, Severity, Standing, Turn, WhichAlerts,
};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use super::PgSystemUnitOfWork;
use crate::statement::milliseconds;

pub(super) use objectives::{add_requests, clear_requests};
pub(super) use rows::clear_alerts;

const BEGIN_TURN: &str = "
    UPDATE perf.alert_turn SET number = number + 1, began_at = now()
    WHERE began_at <= now() - $1 * interval '1 millisecond'
    RETURNING number, now()";

const HOLD: &str = "SELECT number, now() FROM perf.alert_turn FOR UPDATE";

const ENSURE_RULE: &str = "
    INSERT INTO perf.alert_rules AS known (key, metric, warning, critical, hold_seconds, calm_seconds, cooldown_seconds,
                                           escalate_after_seconds, enabled)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)
    ON CONFLICT ON CONSTRAINT alert_rules_pkey DO UPDATE
    SET metric = $2, warning = $3, critical = $4, hold_seconds = $5, calm_seconds = $6, cooldown_seconds = $7,
        escalate_after_seconds = $8
    WHERE known.changed_by IS NULL
    RETURNING xmax = 0";

const ENSURE_OBJECTIVE: &str = "
    INSERT INTO perf.objectives AS known (name, target, enabled) VALUES ($1, $2, true)
    ON CONFLICT ON CONSTRAINT objectives_pkey DO UPDATE SET target = $2 WHERE known.changed_by IS NULL
    RETURNING xmax = 0";

const RULES: &str = "
    SELECT key, metric, warning, critical, hold_seconds, calm_seconds, cooldown_seconds, escalate_after_seconds, enabled,
           changed_by, changed_at
    FROM perf.alert_rules ORDER BY key";

const INSERT_RULE: &str = "
    INSERT INTO perf.alert_rules (key, metric, warning, critical, hold_seconds, calm_seconds, cooldown_seconds,
                                  escalate_after_seconds, enabled, changed_by, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT ON CONSTRAINT alert_rules_pkey DO NOTHING";

const UPDATE_RULE: &str = "
    UPDATE perf.alert_rules
    SET metric = $2, warning = $3, critical = $4, hold_seconds = $5, calm_seconds = $6, cooldown_seconds = $7,
        escalate_after_seconds = $8, enabled = $9, changed_by = $10, changed_at = $11
    WHERE key = $1";

const DELETE_RULE: &str = "DELETE FROM perf.alert_rules WHERE key = $1";

const OBJECTIVES: &str =
    "SELECT name, target, enabled, changed_by, changed_at FROM perf.objectives ORDER BY name";

const UPDATE_OBJECTIVE: &str = "
    UPDATE perf.objectives SET target = $2, enabled = $3, changed_by = $4, changed_at = $5 WHERE name = $1";

const STANDINGS: &str = "SELECT key, watch::text, silence::text, value, read_at FROM perf.alert_watches";

const PUT_STANDINGS: &str = "
    INSERT INTO perf.alert_watches (key, watch, silence, value, read_at)
    SELECT s.key, s.watch::jsonb, s.silence::jsonb, s.value, s.read_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::double precision[], $5::timestamptz[])
         AS s (key, watch, silence, value, read_at)
    ON CONFLICT ON CONSTRAINT alert_watches_pkey DO UPDATE
    SET watch = EXCLUDED.watch, silence = EXCLUDED.silence, value = EXCLUDED.value, read_at = EXCLUDED.read_at";

macro_rules! alerts {
    ($rest:literal) => {
        concat!(
            "SELECT id, rule, metric, incident::text, acknowledged_by, resolved_at FROM perf.alerts ",
            $rest
        )
    };
}

const ACTIVE: &str = alerts!("WHERE resolved_at IS NULL ORDER BY id DESC");

const FIND: &str = alerts!("WHERE id = $1");

const LIST: &str = alerts!(
    "WHERE ($1::uuid IS NULL OR id < $1) AND ($2::boolean IS NULL OR (resolved_at IS NULL) = $2)
       AND ($3::text IS NULL OR rule = $3) AND ($4::text IS NULL OR severity = $4)
     ORDER BY id DESC LIMIT $5"
);

const INSERT: &str = "
    INSERT INTO perf.alerts (id, rule, metric, severity, incident, acknowledged_by, resolved_at)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7)";

const UPDATE: &str = "
    UPDATE perf.alerts SET severity = $2, incident = $3::text::jsonb, acknowledged_by = $4, resolved_at = $5
    WHERE id = $1";

const ADD_NOTICE: &str = "
    INSERT INTO perf.alert_notices (id, alert_id, at, kind, severity, value, why)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (alert_id, kind) DO NOTHING";

const NOTICES: &str = "
    SELECT id, at, kind, severity, value, why FROM perf.alert_notices WHERE alert_id = $1 ORDER BY at, id";

#[async_trait]
impl Alerts for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.alerts.begin_turn", skip_all)]
    async fn begin_turn(&mut self, pause: Duration) -> Result<Option<Turn>, StoreError> {
        let begin = self.connection.sql(BEGIN_TURN).bind(milliseconds(pause));
        let row = begin.fetch_optional().await?;
        row.as_ref().map(rows::turn).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.hold", skip_all)]
    async fn hold(&mut self) -> Result<Turn, StoreError> {
        rows::turn(&self.connection.sql(HOLD).fetch_one().await?)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.ensure", skip_all)]
    async fn ensure(&mut self, rules: &[Rule], objectives: &[Objective]) -> Result<u64, StoreError> {
        let mut made = 0;
        for rule in rules {
            let ensure = rows::bind_rule(self.connection.sql(ENSURE_RULE), rule);
            made += u64::from(rows::is_new(ensure.fetch_optional().await?)?);
        }
        for objective in objectives {
            let ensure = self.connection.sql(ENSURE_OBJECTIVE);
            let ensure = ensure.bind(objective.name.as_str()).bind(objective.target());
            made += u64::from(rows::is_new(ensure.fetch_optional().await?)?);
        }
        Ok(made)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.rules", skip_all)]
    async fn rules(&mut self) -> Result<Known<KeptRule>, StoreError> {
        let rows = self.connection.sql(RULES).fetch_all().await?;
        rows::known("an alert rule", &rows, 0, str::to_owned, rows::rule)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.insert_rule", skip_all)]
    async fn insert_rule(&mut self, rule: &KeptRule) -> Result<bool, StoreError> {
        let insert = rows::bind_kept_rule(self.connection.sql(INSERT_RULE), rule);
        Ok(insert.execute().await? == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.update_rule", skip_all)]
    async fn update_rule(&mut self, rule: &KeptRule) -> Result<bool, StoreError> {
        let update = rows::bind_kept_rule(self.connection.sql(UPDATE_RULE), rule);
        Ok(update.execute().await? == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.delete_rule", skip_all)]
    async fn delete_rule(&mut self, key: &str) -> Result<bool, StoreError> {
        Ok(self.connection.sql(DELETE_RULE).bind(key).execute().await? == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.objectives", skip_all)]
    async fn objectives(&mut self) -> Result<Known<KeptObjective>, StoreError> {
        let rows = self.connection.sql(OBJECTIVES).fetch_all().await?;
        rows::known("an objective", &rows, 0, Objective::key_of, objectives::kept)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.update_objective", skip_all)]
    async fn update_objective(&mut self, kept: &KeptObjective) -> Result<bool, StoreError> {
        let changed = kept.changed.as_ref();
        let update = self
            .connection
            .sql(UPDATE_OBJECTIVE)
            .bind(kept.objective.name.as_str())
            .bind(kept.objective.target())
            .bind(kept.is_enabled)
            .bind(changed.map(|changed| changed.by.as_str()))
            .bind(changed.map(|changed| changed.at));
        Ok(update.execute().await? == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.requests", skip_all)]
    async fn requests(
        &mut self,
        windows: &[time::Duration],
    ) -> Result<BTreeMap<String, Vec<Requests>>, StoreError> {
        objectives::requests(&self.connection, windows).await
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.standings", skip_all)]
    async fn standings(&mut self) -> Result<BTreeMap<String, Standing>, StoreError> {
        let rows = self.connection.sql(STANDINGS).fetch_all().await?;
        rows.iter().map(rows::standing).collect()
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.put_standings", skip_all)]
    async fn put_standings(&mut self, standings: &BTreeMap<String, Standing>) -> Result<(), StoreError> {
        let all = || standings.values();
        let keys: Vec<&str> = standings.keys().map(String::as_str).collect();
        let put = self
            .connection
            .sql(PUT_STANDINGS)
            .bind(keys)
            .bind(
                all()
                    .map(|of| rows::watch_json(&of.watch))
                    .collect::<Vec<String>>(),
            )
            .bind(
                all()
                    .map(|of| of.silence.as_ref().map(rows::silence_json))
                    .collect::<Vec<Option<String>>>(),
            )
            .bind(all().map(|of| of.value).collect::<Vec<Option<f64>>>())
            .bind(
                all()
                    .map(|of| of.read_at)
                    .collect::<Vec<Option<OffsetDateTime>>>(),
            );
        put.enqueue().await
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.active", skip_all)]
    async fn active(&mut self) -> Result<Known<Alert>, StoreError> {
        let rows = self.connection.sql(ACTIVE).fetch_all().await?;
        rows::known("an alert", &rows, 1, str::to_owned, rows::alert)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.list", skip_all)]
    async fn list(
        &mut self,
        which: &WhichAlerts,
        before: Option<AlertId>,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let list = self
            .connection
            .sql(LIST)
            .bind(before.map(AlertId::as_uuid))
            .bind(which.is_active)
            .bind(which.rule.as_deref())
            .bind(which.severity.map(Severity::as_str))
            .bind(i64::from(limit));
        list.fetch_all().await?.iter().map(rows::alert).collect()
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.find", skip_all)]
    async fn find(&mut self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        let find = self.connection.sql(FIND).bind(id.as_uuid());
        find.fetch_optional().await?.as_ref().map(rows::alert).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.insert", skip_all)]
    async fn insert(&mut self, alert: &Alert) -> Result<(), StoreError> {
        let insert = self
            .connection
            .sql(INSERT)
            .bind(alert.id.as_uuid())
            .bind(alert.rule.as_str())
            .bind(alert.metric.map(Metric::as_str))
            .bind(alert.incident.severity.as_str())
            .bind(rows::incident_json(&alert.incident))
            .bind(alert.acknowledged_by.as_deref())
            .bind(alert.resolved);
        insert.enqueue().await
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.update", skip_all)]
    async fn update(&mut self, alert: &Alert) -> Result<(), StoreError> {
        let update = self
            .connection
            .sql(UPDATE)
            .bind(alert.id.as_uuid())
            .bind(alert.incident.severity.as_str())
            .bind(rows::incident_json(&alert.incident))
            .bind(alert.acknowledged_by.as_deref())
            .bind(alert.resolved);
        update.enqueue().await
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.add_notice", skip_all)]
    async fn add_notice(&mut self, alert: AlertId, notice: &AlertNotice) -> Result<bool, StoreError> {
        let add = self
            .connection
            .sql(ADD_NOTICE)
            .bind(notice.id)
            .bind(alert.as_uuid())
            .bind(notice.at)
            .bind(notice.kind.as_str())
            .bind(notice.severity.as_str())
            .bind(notice.value)
            .bind(notice.why.map(Escalation::as_str));
        Ok(add.execute().await? == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.alerts.notices", skip_all)]
    async fn notices(&mut self, alert: AlertId) -> Result<Vec<AlertNotice>, StoreError> {
        let notices = self.connection.sql(NOTICES).bind(alert.as_uuid());
        let rows = notices.fetch_all().await?;
        rows.iter().map(rows::notice).collect()
    }
}
