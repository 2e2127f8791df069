use std::collections::{HashMap, HashSet};

use fairlead_domain::Id;
use fairlead_domain::identity::AgentProfile;
use fairlead_domain::leads::{Lead, LeadDraft, RawLead, StatusName};
use fairlead_domain::text::Email;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use super::lead::{Demo, DemoAgent};
use super::places::PLACES;
use super::team;

const MANY: u64 = 20_000;

fn demo(slug: &str) -> Demo {
    let agents = team::users(slug)
        .into_iter()
        .zip(1..)
        .filter_map(|(user, number)| {
            let profile = user.agent?;
            let id = Id::from_uuid(Uuid::from_u128(number));
            Some(DemoAgent {
                id,
                state: profile.state,
                specializations: profile.specializations,
            })
        })
        .collect();
    Demo::new(slug, datetime!(2026-06-01 12:00 UTC), agents)
}

fn raw(lead: &Lead) -> RawLead {
    RawLead {
        name: lead.name.clone(),
        email: lead.email.as_ref().map(ToString::to_string),
        phone: lead.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        company: lead.company.clone(),
        status: Some(lead.status.name().to_string()),
        close_reason: lead
            .status
            .close_reason()
            .map(|reason| reason.as_str().to_owned()),
        source: lead.source.clone(),
        insurance_type: lead.insurance_type.clone(),
        zip_code: lead.zip_code.clone(),
        quality_score: Some(lead.quality_score.into()),
        assigned_to: lead.assigned_to.map(Id::as_uuid),
        custom_fields: lead.custom_fields.to_map(),
        created_at: Some(lead.created_at),
    }
}

#[test]
fn the_lead_of_an_index_is_the_same_each_time_and_differs_from_tenant_to_tenant() {
    let (once, again, other) = (demo("acme"), demo("acme"), demo("umbrella"));

    for index in [0, 1, 199_999] {
        let lead = once.lead(index);

        assert_eq!(lead, again.lead(index));
        assert_eq!(lead.id, once.lead_id(index));
        assert_eq!(once.activities(index, &lead), again.activities(index, &lead));
        assert_ne!(lead.id, other.lead(index).id);
        assert_ne!(lead.email, other.lead(index).email);
    }
}

#[test]
fn every_lead_passes_the_checks_of_the_domain_unchanged() {
    for lead in demo("acme").leads(0..MANY) {
        let parsed = LeadDraft::parse(raw(&lead)).unwrap();

        let (id, now) = (lead.id.as_uuid(), lead.updated_at);
        assert_eq!(parsed.into_lead(id, now), lead);
    }
}

#[test]
fn leads_have_ids_of_their_own_that_order_by_time() {
    let leads: Vec<Lead> = demo("acme").leads(0..MANY).collect();

    let ids: HashSet<_> = leads.iter().map(|lead| lead.id).collect();
    assert_eq!(ids.len(), leads.len());
    for lead in &leads {
        let id = lead.id.as_uuid();
        let (seconds, nanoseconds) = id.get_timestamp().unwrap().to_unix();
        let milliseconds = i128::from(seconds) * 1_000 + i128::from(nanoseconds / 1_000_000);
        assert_eq!(milliseconds, lead.created_at.unix_timestamp_nanos() / 1_000_000);
    }
}

#[test]
fn the_funnel_is_believable() {
    let mut by_status: HashMap<StatusName, u64> = HashMap::new();
    let (mut last_month, mut assigned, mut addresses, mut with_company) = (0, 0, HashSet::new(), 0);
    let demo = demo("acme");
    for lead in demo.leads(0..MANY) {
        *by_status.entry(lead.status.name()).or_default() += 1;
        last_month += u64::from(demo.age(&lead) < Duration::days(30));
        assigned += u64::from(lead.assigned_to.is_some());
        with_company += u64::from(lead.company.is_some());
        assert!((Duration::ZERO..=Duration::days(540)).contains(&demo.age(&lead)));
        assert!((lead.created_at..=datetime!(2026-06-01 12:00 UTC)).contains(&lead.updated_at));
        addresses.insert(lead.email);
    }

    let share = |count: u64| 100 * count / MANY;
    let [new, contacted, qualified, closed] = StatusName::ALL.map(|status| share(by_status[&status]));
    assert!((10..20).contains(&new), "{new}");
    assert!((15..27).contains(&contacted), "{contacted}");
    assert!((8..18).contains(&qualified), "{qualified}");
    assert!((40..60).contains(&closed), "{closed}");
    // A month is a twentieth of the time, but the business grows.
    assert!((15..35).contains(&share(last_month)), "{}", share(last_month));
    assert!((40..65).contains(&share(assigned)), "{}", share(assigned));
    assert!((60..80).contains(&share(with_company)), "{}", share(with_company));
    // By chance two people have one name and work at one place, as in life.
    assert!(addresses.len() as u64 > MANY * 99 / 100, "{}", addresses.len());
}

#[test]
fn only_new_leads_have_activities_and_they_lie_in_the_life_of_the_lead() {
    let demo = demo("acme");
    let mut total = 0;
    for index in 0..MANY {
        let lead = demo.lead(index);
        let activities = demo.activities(index, &lead);

        assert!(activities.len() <= 8);
        assert!(activities.is_empty() || demo.age(&lead) <= Duration::days(14));
        assert!(activities.is_sorted_by_key(|activity| activity.created_at));
        for activity in &activities {
            assert_eq!(activity.lead, lead.id);
            assert!((lead.created_at..=datetime!(2026-06-01 12:00 UTC)).contains(&activity.occurred_at));
        }
        total += activities.len();
    }

    assert!((5_000..15_000).contains(&total), "{total}");
}

#[test]
fn the_team_has_addresses_of_its_own_and_agents_pass_the_checks_of_the_domain() {
    let users = team::users("acme");

    let addresses: HashSet<&str> = users.iter().map(|user| user.email.as_str()).collect();
    assert_eq!(addresses.len(), users.len());
    for user in &users {
        assert_eq!(Email::parse(&user.email).unwrap().normalized(), user.email);
        if let Some(agent) = &user.agent {
            let raw = fairlead_domain::identity::RawAgentProfile {
                state: agent.state.clone(),
                city: agent.city.clone(),
                specializations: agent.specializations.clone(),
                rating: Some(agent.rating.into()),
                max_open_leads: Some(agent.max_open_leads.into()),
            };
            assert_eq!(AgentProfile::parse(raw, 0).as_ref(), Ok(agent));
        }
    }
    assert_eq!(
        users.iter().filter(|user| user.agent.is_some()).count(),
        team::AGENTS
    );
}

#[test]
fn places_are_told_apart_by_their_postal_code() {
    let zip_codes: HashSet<&str> = PLACES.iter().map(|place| place.zip_code).collect();

    assert_eq!(zip_codes.len(), PLACES.len());
    assert!(
        PLACES
            .iter()
            .all(|place| place.zip_code.len() == 5 && place.state.len() == 2 && place.area_code.len() == 3)
    );
}
