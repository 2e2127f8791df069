use fairlead_domain::Id;
use fairlead_domain::activities::ActivityFilter;
use fairlead_domain::cache::{CacheKey, Namespace};
use fairlead_domain::carriers::CarrierFilter;
use fairlead_domain::identity::{AgentFilter, UserFilter};

use crate::query::{FromQuery, QueryReader, hyphenated};
use crate::read::{ListOf, Question};
use crate::routes::questions as asked;

/// The question that is kept under a key; `None` when there is none, or its answer depends on who asks.
pub(super) fn question(key: &CacheKey) -> Option<Box<dyn Question>> {
    let variant = key.variant();
    match key.namespace() {
        Namespace::LeadList => parsed::<asked::LeadListQuery>(variant),
        Namespace::Lead => {
            let (id, rest) = named(variant, "id=")?;
            Some(Box::new(asked::GetLead {
                id,
                show: read(rest)?,
            }))
        }
        Namespace::LeadStatistics => variant.is_empty().then(|| Box::new(asked::CountLeads) as _),
        Namespace::LeadSearch => parsed::<asked::SearchQuery>(variant),
        Namespace::ActivityList => match named(variant, "of=") {
            Some((lead, rest)) => Some(Box::new(asked::ActivitiesOfLead {
                lead,
                query: read(rest)?,
            })),
            None => parsed::<ListOf<ActivityFilter>>(variant),
        },
        Namespace::Activity => Some(Box::new(asked::GetActivity(only(variant)?))),
        Namespace::UserList => parsed::<ListOf<UserFilter>>(variant),
        Namespace::User => Some(Box::new(asked::GetUser(only(variant)?))),
        Namespace::AgentList => parsed::<ListOf<AgentFilter>>(variant),
        Namespace::CarrierList => parsed::<ListOf<CarrierFilter>>(variant),
        Namespace::Carrier => Some(Box::new(asked::GetCarrier(only(variant)?))),
        Namespace::Tenant => variant.is_empty().then(|| Box::new(asked::GetTenant) as _),
        Namespace::Me => None,
    }
}

fn parsed<Q: FromQuery + Question>(query: &str) -> Option<Box<dyn Question>> {
    Some(Box::new(read::<Q>(query)?))
}

fn read<Q: FromQuery>(query: &str) -> Option<Q> {
    QueryReader::parse(query).ok()
}

/// An id that leads a variant, and the query behind it.
fn named<'a, T>(variant: &'a str, name: &str) -> Option<(Id<T>, &'a str)> {
    let (id, rest) = variant.strip_prefix(name)?.split_once('&')?;
    Some((Id::from_uuid(hyphenated(id)?), rest))
}

/// An id that is the whole variant.
fn only<T>(variant: &str) -> Option<Id<T>> {
    hyphenated(variant.strip_prefix("id=")?).map(Id::from_uuid)
}
