use std::collections::BTreeMap;

use serde_json::json;
use thiserror::Error;

use super::kept::is_key;
use super::{Alert, AlertId, KeptObjective, KeptRule, NoSuchRule, Silence, Standing};
use crate::identity::OperatorAct;
use crate::store::{StoreError, SystemUnitOfWork};

const ENTITY: &str = "alert_rule";

/// Why a rule could not be made.
#[derive(Debug, Error)]
pub enum MakeRuleError {
    #[error("there is a rule of this key")]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a rule was not changed.
#[derive(Debug, Error)]
pub enum RuleError {
    #[error(transparent)]
    Missing(#[from] NoSuchRule),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was done about an alert.
#[derive(Debug, Error)]
pub enum AlertError {
    #[error("there is no alert of this id")]
    Missing,
    #[error("the alert is over")]
    Over,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has something watched that was not.
pub async fn make_rule(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    rule: &KeptRule,
) -> Result<(), MakeRuleError> {
    uow.alerts().hold().await?;
    if !uow.alerts().insert_rule(rule).await? {
        return Err(MakeRuleError::Taken);
    }
    audit(uow, operator, "alert_rule_created", told(rule)).await?;
    Ok(())
}

/// Has something watched otherwise. What is wrong now is judged by that from the next turn on.
pub async fn change_rule(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    rule: &KeptRule,
) -> Result<(), RuleError> {
    uow.alerts().hold().await?;
    if !uow.alerts().update_rule(rule).await? {
        return Err(NoSuchRule.into());
    }
    audit(uow, operator, "alert_rule_changed", told(rule)).await?;
    Ok(())
}

/// Has a rule watched no more. One that comes with the platform becomes as it came; it can be switched off.
pub async fn delete_rule(uow: &mut dyn SystemUnitOfWork, operator: &str, key: &str) -> Result<(), RuleError> {
    if !is_key(key) {
        return Err(NoSuchRule.into());
    }
    uow.alerts().hold().await?;
    let original = KeptRule::find_original(key);
    let is_there = match &original {
        Some(original) => uow.alerts().update_rule(original).await?,
        None => uow.alerts().delete_rule(key).await?,
    };
    if !is_there {
        return Err(NoSuchRule.into());
    }
    // Nobody would look for it behind another rule of the same key. One that is still there can be silenced all the same.
    if original.is_none() {
        let mut standing = standing(uow, key).await?;
        if standing.silence.take().is_some() {
            put(uow, key, standing).await?;
        }
    }
    audit(uow, operator, "alert_rule_deleted", json!({ "key": key })).await?;
    Ok(())
}

/// Sets another target, or has the budget watched no more.
pub async fn change_objective(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    kept: &KeptObjective,
) -> Result<(), RuleError> {
    uow.alerts().hold().await?;
    if !uow.alerts().update_objective(kept).await? {
        return Err(NoSuchRule.into());
    }
    let after = json!({
        "name": kept.objective.name, "target": kept.objective.target(), "enabled": kept.is_enabled,
    });
    audit(uow, operator, "alert_objective_changed", after).await?;
    Ok(())
}

/// Notes that an operator takes care of an alert. It is told no more that it lasts.
pub async fn acknowledge(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    id: AlertId,
) -> Result<Alert, AlertError> {
    let now = uow.alerts().hold().await?.now;
    let mut alert = active(uow, id).await?;
    let mut standing = standing(uow, &alert.rule).await?;
    standing.watch.acknowledge(now);
    if let Some(incident) = standing.watch.incident() {
        alert.incident = incident.clone();
        put(uow, &alert.rule, standing).await?;
    } else {
        // Its watch is lost, and goes on from here.
        alert.incident.acknowledged.get_or_insert(now);
    }
    if alert.acknowledged_by.is_none() {
        alert.acknowledged_by = Some(operator.to_owned());
        uow.alerts().update(&alert).await?;
        let after = json!({ "alert": alert.id.as_uuid(), "rule": alert.rule });
        audit(uow, operator, "alert_acknowledged", after).await?;
    }
    Ok(alert)
}

/// Has nothing told of a rule or an objective for a while.
pub async fn silence(
    uow: &mut dyn SystemUnitOfWork,
    key: &str,
    silence: Silence,
) -> Result<Standing, RuleError> {
    uow.alerts().hold().await?;
    let operator = silence.by().to_owned();
    let after = json!({ "key": key, "reason": silence.reason(), "until": silence.until().unix_timestamp() });
    let standing = put_silence(uow, key, Some(silence)).await?;
    audit(uow, &operator, "alert_rule_silenced", after).await?;
    Ok(standing)
}

/// Has it told again.
pub async fn end_silence(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    key: &str,
) -> Result<Standing, RuleError> {
    uow.alerts().hold().await?;
    let standing = put_silence(uow, key, None).await?;
    audit(uow, operator, "alert_silence_ended", json!({ "key": key })).await?;
    Ok(standing)
}

async fn put_silence(
    uow: &mut dyn SystemUnitOfWork,
    key: &str,
    silence: Option<Silence>,
) -> Result<Standing, RuleError> {
    let rules = uow.alerts().rules().await?;
    let objectives = uow.alerts().objectives().await?;
    let is_known = rules.all.iter().any(|kept| kept.rule.key == key)
        || objectives.all.iter().any(|kept| kept.objective.key() == key);
    if !is_known {
        return Err(NoSuchRule.into());
    }
    let mut standing = standing(uow, key).await?;
    standing.silence = silence;
    put(uow, key, standing.clone()).await?;
    Ok(standing)
}

async fn standing(uow: &mut dyn SystemUnitOfWork, key: &str) -> Result<Standing, StoreError> {
    let mut standings = uow.alerts().standings().await?;
    Ok(standings.remove(key).unwrap_or_default())
}

/// Those of others stay as they are: another version may have written what this one cannot.
async fn put(uow: &mut dyn SystemUnitOfWork, key: &str, standing: Standing) -> Result<(), StoreError> {
    let one = BTreeMap::from([(key.to_owned(), standing)]);
    uow.alerts().put_standings(&one).await
}

/// One that is not over.
pub async fn active(uow: &mut dyn SystemUnitOfWork, id: AlertId) -> Result<Alert, AlertError> {
    let alert = uow.alerts().find(id).await?.ok_or(AlertError::Missing)?;
    if alert.resolved.is_some() {
        return Err(AlertError::Over);
    }
    Ok(alert)
}

async fn audit(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    action: &'static str,
    after: serde_json::Value,
) -> Result<(), StoreError> {
    let act = OperatorAct {
        operator,
        action,
        entity: ENTITY,
        after,
    };
    uow.operators().audit(&act).await
}

fn told(kept: &KeptRule) -> serde_json::Value {
    let rule = &kept.rule;
    json!({
        "key": rule.key, "metric": rule.metric, "warning": rule.warning(), "critical": rule.critical(),
        "holdSeconds": rule.timing.hold.whole_seconds(), "calmSeconds": rule.timing.calm.whole_seconds(),
        "cooldownSeconds": rule.timing.cooldown.whole_seconds(),
        "escalateAfterSeconds": rule.timing.escalate_after.whole_seconds(), "enabled": kept.is_enabled,
    })
}
