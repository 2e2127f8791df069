use super::{Carrier, CarrierConflict, CarrierId, CarrierSnapshot, PartnershipStatus, PartnershipTier};
use crate::Expected;
use crate::Id;
use crate::access::{ManageCarriers, Permit};
use crate::events::{Aggregate, Recorded};
use crate::field::Change;
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::text;

/// A new carrier as it came in; what is absent takes the value named.
#[derive(Clone, Debug, Default)]
pub struct RawCarrier {
    pub name: String,
    /// `true`.
    pub active: Option<bool>,
    /// `PROSPECT`.
    pub partnership_status: Option<String>,
    /// `BRONZE`.
    pub partnership_tier: Option<String>,
    /// 0.
    pub performance_score: Option<i64>,
}

/// A new carrier whose every field is in order.
#[derive(Clone, Debug)]
pub struct CarrierDraft {
    pub name: String,
    pub active: bool,
    pub partnership_status: PartnershipStatus,
    pub partnership_tier: PartnershipTier,
    pub performance_score: i32,
}

impl CarrierDraft {
    pub fn parse(raw: RawCarrier) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let name = faults.keep("name", text::line(&raw.name, 200));
        let status = raw
            .partnership_status
            .map(|text| partnership_status(&mut faults, &text));
        let tier = raw
            .partnership_tier
            .map(|text| partnership_tier(&mut faults, &text));
        let score = performance_score(&mut faults, raw.performance_score.unwrap_or(0));
        faults.finish()?;
        Ok(Self {
            name: name.unwrap_or_default(),
            active: raw.active.unwrap_or(true),
            partnership_status: status.flatten().unwrap_or(PartnershipStatus::Prospect),
            partnership_tier: tier.flatten().unwrap_or(PartnershipTier::Bronze),
            performance_score: score,
        })
    }
}

/// A partial update as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawCarrierPatch {
    pub name: Change<String>,
    pub active: Change<bool>,
    pub partnership_status: Change<String>,
    pub partnership_tier: Change<String>,
    pub performance_score: Change<i64>,
}

/// A partial update whose every field is in order.
#[derive(Clone, Debug, Default)]
pub struct CarrierPatch {
    pub name: Change<String>,
    pub active: Change<bool>,
    pub partnership_status: Change<PartnershipStatus>,
    pub partnership_tier: Change<PartnershipTier>,
    pub performance_score: Change<i32>,
}

impl CarrierPatch {
    pub fn parse(raw: RawCarrierPatch) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let name = faults
            .keep("name", raw.name.try_map(|name| text::line(&name, 200)))
            .unwrap_or_default();
        let patch = Self {
            name,
            active: raw.active,
            partnership_status: match raw.partnership_status {
                Change::Set(text) => partnership_status(&mut faults, &text).map_or(Change::Keep, Change::Set),
                Change::Keep => Change::Keep,
            },
            partnership_tier: match raw.partnership_tier {
                Change::Set(text) => partnership_tier(&mut faults, &text).map_or(Change::Keep, Change::Set),
                Change::Keep => Change::Keep,
            },
            performance_score: match raw.performance_score {
                Change::Set(score) => Change::Set(performance_score(&mut faults, score)),
                Change::Keep => Change::Keep,
            },
        };
        faults.finish()?;
        Ok(patch)
    }
}

fn partnership_status(faults: &mut Faults, text: &str) -> Option<PartnershipStatus> {
    let status = PartnershipStatus::parse(text);
    if status.is_none() {
        faults.add(
            "partnershipStatus",
            "must be one of PROSPECT, ACTIVE, SUSPENDED, ENDED",
        );
    }
    status
}

fn partnership_tier(faults: &mut Faults, text: &str) -> Option<PartnershipTier> {
    let tier = PartnershipTier::parse(text);
    if tier.is_none() {
        faults.add("partnershipTier", "must be one of BRONZE, SILVER, GOLD, PLATINUM");
    }
    tier
}

fn performance_score(faults: &mut Faults, score: i64) -> i32 {
    match i32::try_from(score) {
        Ok(score) if (0..=100).contains(&score) => score,
        _ => {
            faults.add("performanceScore", "must be a whole number from 0 to 100");
            0
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CreateCarrierError {
    #[error("the tenant already has a carrier of this name")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a carrier.
pub async fn create(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageCarriers>,
    draft: CarrierDraft,
) -> Result<Carrier, CreateCarrierError> {
    let carrier = Carrier {
        id: Id::from_uuid(uow.next_id()),
        name: draft.name,
        active: draft.active,
        partnership_status: draft.partnership_status,
        partnership_tier: draft.partnership_tier,
        performance_score: draft.performance_score,
        version: 1,
        created_at: uow.now(),
        updated_at: uow.now(),
    };
    match uow.carriers().insert(&carrier).await {
        Ok(()) => {}
        Err(CarrierConflict::NameTaken) => return Err(CreateCarrierError::NameTaken),
        Err(CarrierConflict::Store(error)) => return Err(error.into()),
    }
    uow.record(
        Recorded::new(
            "carrier_created",
            Aggregate::Carrier,
            carrier.id.as_uuid(),
            permit.actor(),
        )
        .after(&CarrierSnapshot::from(&carrier)),
    );
    Ok(carrier)
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateCarrierError {
    #[error("there is no such carrier")]
    NotFound,
    #[error("the carrier has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error("the tenant already has a carrier of this name")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a carrier.
pub async fn update(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageCarriers>,
    id: CarrierId,
    expected: Expected,
    patch: CarrierPatch,
) -> Result<Carrier, UpdateCarrierError> {
    let before = find(uow, id, expected).await?;
    let mut after = before.clone();
    patch.name.apply(&mut after.name);
    patch.active.apply(&mut after.active);
    patch.partnership_status.apply(&mut after.partnership_status);
    patch.partnership_tier.apply(&mut after.partnership_tier);
    patch.performance_score.apply(&mut after.performance_score);
    if after == before {
        return Ok(before);
    }
    after.updated_at = uow.now();
    match uow.carriers().update(&after).await {
        Ok(()) => {}
        Err(CarrierConflict::NameTaken) => return Err(UpdateCarrierError::NameTaken),
        Err(CarrierConflict::Store(error)) => return Err(error.into()),
    }
    after.version += 1;
    uow.record(
        Recorded::new(
            "carrier_updated",
            Aggregate::Carrier,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&CarrierSnapshot::from(&before))
        .after(&CarrierSnapshot::from(&after)),
    );
    Ok(after)
}

/// Deletes a carrier.
pub async fn delete(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageCarriers>,
    id: CarrierId,
    expected: Expected,
) -> Result<(), UpdateCarrierError> {
    let carrier = find(uow, id, expected).await?;
    uow.carriers().delete(id).await?;
    uow.record(
        Recorded::new(
            "carrier_deleted",
            Aggregate::Carrier,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&CarrierSnapshot::from(&carrier)),
    );
    Ok(())
}

async fn find(
    uow: &mut dyn UnitOfWork,
    id: CarrierId,
    expected: Expected,
) -> Result<Carrier, UpdateCarrierError> {
    let carrier = uow
        .carriers()
        .find_for_update(id)
        .await?
        .ok_or(UpdateCarrierError::NotFound)?;
    if expected.matches(carrier.revision()) {
        Ok(carrier)
    } else {
        Err(UpdateCarrierError::Stale {
            current: carrier.version,
        })
    }
}
