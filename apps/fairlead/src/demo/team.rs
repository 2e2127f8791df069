use fairlead_domain::access::Role;
use fairlead_domain::carriers::{CarrierDraft, PartnershipStatus, PartnershipTier};
use fairlead_domain::identity::{AgentProfile, InviteUser};

use super::people::label;
use super::places::PLACES;
use super::random::{Random, Stream};
use super::words::{CARRIERS, FIRST_NAMES, INSURANCE_TYPES, LAST_NAMES};

pub(super) const AGENTS: usize = 20;
const ADMINS: usize = 2;
const VIEWERS: usize = 2;

/// The users of a demo tenant besides its owner, the agents first.
pub(super) fn users(slug: &str) -> Vec<InviteUser> {
    let mut random = Random::new(slug, Stream::Team, 0);
    let (first, last) = (random.below(64) as usize, random.below(81) as usize);
    (0..AGENTS + ADMINS + VIEWERS)
        .map(|number| {
            let first = FIRST_NAMES[(first + 7 * number) % FIRST_NAMES.len()];
            let last = LAST_NAMES[(last + 11 * number) % LAST_NAMES.len()];
            let role = match number {
                _ if number < AGENTS => Role::Agent,
                _ if number < AGENTS + ADMINS => Role::Admin,
                _ => Role::Viewer,
            };
            InviteUser {
                email: format!("{}.{}@{slug}.test", label(first), label(last)),
                name: format!("{first} {last}"),
                role,
                agent: (role == Role::Agent).then(|| agent(number, &mut random)),
            }
        })
        .collect()
}

/// Agents are spread over the country: each third place has one.
fn agent(number: usize, random: &mut Random) -> AgentProfile {
    let place = PLACES[(3 * number) % PLACES.len()];
    let mut specializations: Vec<String> = (0..random.between(1, 3))
        .map(|_| random.weighted(&INSURANCE_TYPES).to_owned())
        .collect();
    specializations.sort_unstable();
    specializations.dedup();
    AgentProfile {
        state: Some(place.state.to_owned()),
        city: Some(place.city.to_owned()),
        specializations,
        rating: i32::try_from(random.around(52, 99)).unwrap_or_default(),
        max_open_leads: i32::try_from(10 * random.between(4, 15)).unwrap_or_default(),
        open_leads: 0,
    }
}

/// The carriers of a demo tenant: most are partners, some are not yet or no longer.
pub(super) fn carriers(slug: &str) -> Vec<CarrierDraft> {
    let mut random = Random::new(slug, Stream::Team, 1);
    CARRIERS
        .iter()
        .map(|name| {
            let partnership_status = random.weighted(&[
                (PartnershipStatus::Active, 70),
                (PartnershipStatus::Prospect, 15),
                (PartnershipStatus::Suspended, 8),
                (PartnershipStatus::Ended, 7),
            ]);
            let partnership_tier = random.weighted(&[
                (PartnershipTier::Bronze, 30),
                (PartnershipTier::Silver, 35),
                (PartnershipTier::Gold, 25),
                (PartnershipTier::Platinum, 10),
            ]);
            CarrierDraft {
                name: (*name).to_owned(),
                active: matches!(
                    partnership_status,
                    PartnershipStatus::Active | PartnershipStatus::Prospect
                ),
                partnership_status,
                partnership_tier,
                performance_score: i32::try_from(random.around(35, 99)).unwrap_or_default(),
            }
        })
        .collect()
}
