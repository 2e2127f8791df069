use fairlead::SystemIds;
use fairlead_domain::access::{ChangeLeads, DeleteLeads, Permit};
use fairlead_domain::clock::Ids as _;
use fairlead_domain::events::Source;
use fairlead_domain::field::Change;
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{
    self, BulkUpdate, CloseReason, CustomFields, DeleteLeadError, Duplicates, Lead, LeadDraft, LeadFilter,
    LeadId, LeadPatch, LeadQuery, LeadSort, RawLead, Status, UpdateLeadError,
};
use fairlead_domain::paging::{Direction, Paging};
use fairlead_domain::store::{Store as _, UnitOfWork};
use fairlead_domain::text::Email;
use fairlead_domain::{Expected, Id};
use fairlead_postgres::PgStore;
use time::Duration;

use super::system;

/// Xorshift (Marsaglia, 2003): any sequence without a pattern will do.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("less than `limit`")
    }

    fn status(&mut self) -> Status {
        let reasons = [
            CloseReason::Won,
            CloseReason::Lost,
            CloseReason::Disqualified,
            CloseReason::Duplicate,
        ];
        match self.below(4) {
            0 => Status::New,
            1 => Status::Contacted,
            2 => Status::Qualified,
            _ => Status::Closed(reasons[self.below(4)]),
        }
    }
}

/// Everything that the product does to leads.
pub(super) const KINDS: [&str; 7] = [
    "creating one",
    "creating many",
    "importing without duplicates",
    "changing a name",
    "changing a status",
    "changing many",
    "deleting one",
];

/// Does one of these things in a unit of work; one in six is undone instead of committed.
pub(super) async fn step(store: &PgStore, tenant: TenantId, random: &mut Random) -> &'static str {
    let permit = Permit::<ChangeLeads>::system(&system(), tenant);
    let mut uow = store.begin(permit.scope()).await.expect("a unit of work opens");
    let kind = random.below(KINDS.len());
    let known = some(&mut *uow).await;
    match kind {
        0 => drop(
            leads::create(&mut *uow, &permit, draft(random))
                .await
                .expect("it is nobody's"),
        ),
        1 => {
            let new: Vec<Lead> = (0..=random.below(40)).map(|_| past_lead(&*uow, random)).collect();
            uow.leads().insert(&new).await.expect("they go in");
        }
        2 => {
            let drafts = (0..=random.below(20))
                .map(|_| draft(random))
                .enumerate()
                .collect();
            leads::create_many(&mut *uow, &permit, drafts, Duplicates::Skip, Source::Import)
                .await
                .expect("they go in, or are known");
        }
        _ if known.is_empty() => {}
        3 | 4 => {
            let lead = known[random.below(known.len())];
            let changed = leads::update(&mut *uow, &permit, lead, Expected::Any, patch(random, kind)).await;
            if let Err(error) = changed {
                // Gone meanwhile, or not a step of the pipeline.
                assert!(
                    matches!(error, UpdateLeadError::NotFound | UpdateLeadError::Transition(_)),
                    "{error:?}"
                );
                return "a refusal";
            }
        }
        5 => {
            let update = |(index, lead): (usize, &LeadId)| BulkUpdate {
                index,
                lead: *lead,
                expected: Expected::Any,
                patch: patch(random, 4),
            };
            let updates = known.iter().enumerate().map(update).collect();
            leads::update_many(&mut *uow, &permit, updates)
                .await
                .expect("each is changed or refused");
        }
        _ => {
            let permit = Permit::<DeleteLeads>::system(&system(), tenant);
            let lead = known[random.below(known.len())];
            match leads::delete(&mut *uow, &permit, lead, Expected::Any).await {
                Ok(()) | Err(DeleteLeadError::NotFound) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    if random.below(6) == 0 {
        return "undoing";
    }
    uow.commit().await.expect("nothing stands against it");
    KINDS[kind]
}

/// Some leads of the tenant, the newest first.
async fn some(uow: &mut dyn UnitOfWork) -> Vec<LeadId> {
    let query = LeadQuery {
        filter: LeadFilter::default(),
        sort: LeadSort::UpdatedAt,
        direction: Direction::Descending,
        paging: Paging::first(30),
    };
    let page = uow.leads().list(&query).await.expect("the list is read");
    page.items.iter().map(|lead| lead.id).collect()
}

fn patch(random: &mut Random, kind: usize) -> LeadPatch {
    let mut patch = LeadPatch {
        name: Change::Set(format!("Bob {}", random.below(1_000))),
        ..LeadPatch::default()
    };
    if kind == 4 {
        patch.status = Change::Set(random.status());
    }
    patch
}

fn draft(random: &mut Random) -> LeadDraft {
    let mut draft = LeadDraft::parse(RawLead {
        name: "Ann".to_owned(),
        email: Some(format!("lead{}@example.com", random.below(200))),
        ..RawLead::default()
    })
    .expect("a name and an address make a lead");
    draft.status = random.status();
    draft
}

/// A lead of the last five years, created at any microsecond of them.
fn past_lead(uow: &dyn UnitOfWork, random: &mut Random) -> Lead {
    let microseconds = i64::try_from(random.below(5 * 366 * 86_400 * 1_000_000)).expect("years are short");
    let created_at = uow.now() - Duration::microseconds(microseconds);
    Lead {
        id: Id::from_uuid(SystemIds.next()),
        name: "Cid".to_owned(),
        email: Email::parse("cid@example.com").ok(),
        phone: None,
        company: None,
        status: random.status(),
        source: None,
        insurance_type: None,
        zip_code: None,
        quality_score: 0,
        assigned_to: None,
        custom_fields: CustomFields::default(),
        version: 1,
        created_at,
        updated_at: created_at,
    }
}
