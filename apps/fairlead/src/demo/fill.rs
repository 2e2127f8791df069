use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fairlead_domain::access::{Actor, Role, SystemScope, TenantScope};
use fairlead_domain::activities::Activity;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{Aggregate, Recorded, Source};
use fairlead_domain::identity::{
    HasherBusy, InviteError, Password, PasswordHasher, Secrets, Tenant, User, UserId,
};
use fairlead_domain::leads::{Duplicates, Lead, LeadId, LeadSnapshot, LoadConflict, Reassignment};
use fairlead_domain::store::{Store, StoreError, SystemStore};

use super::found;
use super::lead::{Demo, DemoAgent};

/// Leads written by one transaction.
const BATCH: u64 = 1_000;

/// What is wanted of the demo.
#[derive(Debug)]
pub struct DemoOrder {
    /// Names the tenant; it is created when there is none of this slug.
    pub slug: String,
    /// How many leads the demo has in the end.
    pub leads: u64,
    /// Of every user that is created.
    pub password: Password,
}

/// Where the demo is written to.
#[derive(Clone, Copy, Debug)]
pub struct DemoPorts<'a> {
    pub store: &'a dyn Store,
    pub system: &'a dyn SystemStore,
    pub hasher: &'a dyn PasswordHasher,
    pub secrets: &'a dyn Secrets,
}

/// What a run has done.
#[derive(Debug)]
pub struct Filled {
    pub tenant: Tenant,
    /// E-mail addresses of the users created, who have the password of the order; the owner first, if it is among them.
    pub new_users: Vec<(String, Role)>,
    pub leads_added: u64,
    pub activities_added: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the tenant's name must be 1 to 63 lower case letters, digits and single dashes, such as acme")]
    BadSlug,
    #[error("there is such a tenant, and it is no demo: its owner is another; choose another name")]
    NotADemo,
    #[error(transparent)]
    Busy(#[from] HasherBusy),
    #[error("cannot add a user")]
    User(#[from] InviteError),
    #[error(transparent)]
    Load(#[from] LoadConflict),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fills a tenant with demo data up to the number of leads ordered. `progress` is told how many of how many are there.
pub async fn fill(
    ports: DemoPorts<'_>,
    order: &DemoOrder,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Filled, DemoError> {
    let scope = system_scope();
    let (tenant, owner) = found::tenant(ports, &scope, order).await?;
    let team = found::team(ports, &scope, &tenant, order).await?;
    let demo = Demo::new(
        &order.slug,
        team.founded_at,
        team.agents.iter().filter_map(demo_agent).collect(),
    );

    let tenant_scope = scope.tenant(tenant.id);
    let gaps = find_gaps(ports.store, &tenant_scope, &demo, order.leads).await?;
    let missing: u64 = gaps.iter().map(Gap::len).sum();
    progress(order.leads - missing, order.leads);
    let filling = Filling {
        demo: &demo,
        store: ports.store,
        scope: &tenant_scope,
        state: Mutex::new(State {
            gaps: gaps.into_iter(),
            rooms: team
                .agents
                .iter()
                .filter_map(|agent| Some((agent.id, room(agent)?)))
                .collect(),
            done: order.leads - missing,
            activities: 0,
            progress,
        }),
        total: order.leads,
    };
    // While PostgreSQL works on two batches, the next is made and sent.
    tokio::try_join!(filling.run(), filling.run(), filling.run())?;

    let activities_added = filling.state().activities;
    let new_users = owner.into_iter().chain(team.new_users).collect();
    Ok(Filled {
        tenant,
        new_users,
        leads_added: missing,
        activities_added,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line orders it, for a tenant it names"
)]
fn system_scope() -> SystemScope {
    SystemScope::new("demo data")
}

fn demo_agent(user: &User) -> Option<DemoAgent> {
    let profile = user.agent.as_ref()?;
    Some(DemoAgent {
        id: user.id,
        state: profile.state.clone(),
        specializations: profile.specializations.clone(),
    })
}

/// How many more open leads an agent gets: some room is left, so that assigning can be tried out.
fn room(user: &User) -> Option<i32> {
    let profile = user.agent.as_ref()?;
    Some(profile.max_open_leads * 8 / 10 - profile.open_leads)
}

/// Indices whose leads are missing, all or but a few.
#[derive(Debug)]
struct Gap {
    indices: Range<u64>,
    present: HashSet<LeadId>,
}

impl Gap {
    fn len(&self) -> u64 {
        self.indices.end - self.indices.start - self.present.len() as u64
    }
}

/// Looks for what an earlier run has written. A batch is written whole, so its first and its last lead tell of it; only
/// the one at which an earlier order ended is there in part.
async fn find_gaps(
    store: &dyn Store,
    scope: &TenantScope,
    demo: &Demo,
    total: u64,
) -> Result<Vec<Gap>, StoreError> {
    let mut gaps = Vec::new();
    let mut uow = store.read(scope, ReadIntent::INTERACTIVE).await?;
    let empty = uow.tenants().usage().await?.leads == 0;
    for start in (0..total).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
        let indices = start..total.min(start + BATCH);
        let mut present = HashSet::new();
        if !empty {
            let first = uow.leads().find(demo.lead_id(indices.start)).await?.is_some();
            let last = uow.leads().find(demo.lead_id(indices.end - 1)).await?.is_some();
            if first && last {
                continue;
            }
            if first || last {
                let ids: Vec<LeadId> = indices.clone().map(|index| demo.lead_id(index)).collect();
                let found = store
                    .begin(scope)
                    .await?
                    .leads()
                    .find_many_for_update(&ids)
                    .await?;
                present = found.into_iter().map(|lead| lead.id).collect();
            }
        }
        gaps.push(Gap { indices, present });
    }
    Ok(gaps)
}

/// The writing of all batches, by several lanes at once.
struct Filling<'a> {
    demo: &'a Demo,
    store: &'a dyn Store,
    scope: &'a TenantScope,
    total: u64,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    gaps: std::vec::IntoIter<Gap>,
    /// How many more open leads each agent gets.
    rooms: HashMap<UserId, i32>,
    done: u64,
    activities: u64,
    progress: &'a mut (dyn FnMut(u64, u64) + Send),
}

/// What one transaction writes.
struct Batch {
    leads: Vec<Lead>,
    activities: Vec<Activity>,
    assignments: Vec<Reassignment>,
    load: HashMap<UserId, i32>,
}

impl<'a> Filling<'a> {
    async fn run(&self) -> Result<(), DemoError> {
        while let Some(batch) = self.next_batch() {
            self.write(&batch).await?;
            let mut state = self.state();
            state.done += batch.leads.len() as u64;
            state.activities += batch.activities.len() as u64;
            let done = state.done;
            (state.progress)(done, self.total);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_batch(&self) -> Option<Batch> {
        let mut state = self.state();
        let gap = state.gaps.next()?;
        let mut batch = Batch {
            leads: Vec::new(),
            activities: Vec::new(),
            assignments: Vec::new(),
            load: HashMap::new(),
        };
        for index in gap.indices {
            let mut lead = self.demo.lead(index);
            if gap.present.contains(&lead.id) {
                continue;
            }
            if let Some(agent) = lead.load_on() {
                match state.rooms.get_mut(&agent) {
                    Some(room) if *room > 0 => {
                        *room -= 1;
                        *batch.load.entry(agent).or_default() += 1;
                    }
                    _ => lead.assigned_to = None,
                }
            }
            if let Some(agent) = lead.assigned_to {
                batch.assignments.push(Reassignment {
                    lead: lead.id,
                    agent: Some(agent),
                    by: Actor::System,
                    at: lead.created_at,
                });
            }
            batch.activities.extend(self.demo.activities(index, &lead));
            batch.leads.push(lead);
        }
        Some(batch)
    }

    async fn write(&self, batch: &Batch) -> Result<(), DemoError> {
        let mut uow = self.store.begin(self.scope).await?;
        uow.leads().insert(&batch.leads, Duplicates::Keep).await?;
        if !batch.assignments.is_empty() {
            uow.assignments().reassign(&batch.assignments).await?;
        }
        if !batch.activities.is_empty() {
            uow.activities().insert(&batch.activities).await?;
        }
        for lead in &batch.leads {
            uow.record(
                Recorded::new("lead_created", Aggregate::Lead, lead.id.as_uuid(), Actor::System)
                    .after(&LeadSnapshot::from(lead))
                    .by(Source::Demo),
            );
        }
        // Agents last: their rows are the contended ones.
        if !batch.load.is_empty() {
            uow.assignments().change_load(&batch.load).await?;
        }
        uow.commit().await?;
        Ok(())
    }
}
