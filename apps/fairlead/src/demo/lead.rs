use std::ops::Range;

use fairlead_domain::Id;
use fairlead_domain::identity::UserId;
use fairlead_domain::leads::{CloseReason, CustomFields, Lead, LeadId, Status};
use fairlead_domain::text::{Email, Phone};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};

use super::people::Person;
use super::places::{PLACES, Place};
use super::random::{Random, Stream};
use super::words::{INSURANCE_TYPES, SOURCES};

/// How far back the leads of a demo tenant go.
const HISTORY: Duration = Duration::days(540);

/// Makes the leads of one demo tenant: the lead of an index is the same each time it is made.
#[derive(Debug)]
pub struct Demo {
    pub(super) slug: String,
    /// The moment at which the demo plays: leads came before it.
    anchor: OffsetDateTime,
    agents: Vec<DemoAgent>,
}

/// An agent, as far as it decides who takes which lead.
#[derive(Clone, Debug)]
pub struct DemoAgent {
    pub id: UserId,
    /// Upper case.
    pub state: Option<String>,
    /// Lower case.
    pub specializations: Vec<String>,
}

impl Demo {
    pub fn new(slug: &str, anchor: OffsetDateTime, agents: Vec<DemoAgent>) -> Self {
        Self {
            slug: slug.to_owned(),
            anchor,
            agents,
        }
    }

    pub fn leads(&self, indices: Range<u64>) -> impl Iterator<Item = Lead> {
        indices.map(|index| self.lead(index))
    }

    /// The lead of an index, assigned to the agent who would have it if there were always room.
    pub fn lead(&self, index: u64) -> Lead {
        let mut random = Random::new(&self.slug, Stream::Lead, index);
        let (id, created_at) = self.born(index, &mut random);
        let age = self.anchor - created_at;

        let place = random.pick(&PLACES);
        let insurance_type = random.weighted(&INSURANCE_TYPES);
        let has_company = insurance_type == "commercial" || random.percent(65);
        let person = Person::at(place, has_company, &mut random);
        let status = status(age, &mut random);
        let touched = match status {
            Status::New => Duration::ZERO,
            // Most is done soon after a lead came in.
            _ => (age * random.slanted()).min(age),
        };
        Lead {
            id,
            name: person.name,
            email: Some(Email::parse(&person.email).expect("made of letters and digits")),
            phone: person
                .phone
                .map(|phone| Phone::parse(&phone).expect("made of digits")),
            company: person.company,
            status,
            source: Some(random.weighted(&SOURCES).to_owned()),
            insurance_type: Some(insurance_type.to_owned()),
            zip_code: Some(place.zip_code.to_owned()),
            quality_score: score(status, &mut random),
            assigned_to: self.agent(status, place, insurance_type, &mut random),
            custom_fields: custom_fields(place, insurance_type, &mut random),
            version: 1,
            created_at,
            updated_at: microseconds(created_at + touched),
        }
    }

    /// The id of the lead of an index, without the rest of it.
    pub fn lead_id(&self, index: u64) -> LeadId {
        self.born(index, &mut Random::new(&self.slug, Stream::Lead, index))
            .0
    }

    pub(super) fn age(&self, lead: &Lead) -> Duration {
        self.anchor - lead.created_at
    }

    fn born(&self, index: u64, random: &mut Random) -> (LeadId, OffsetDateTime) {
        let place = neighbourhood(index, random.unit());
        // A young business: the further back, the fewer leads came in.
        let created_at = microseconds(self.anchor - HISTORY * (place * place));
        (Id::from_uuid(random.id(created_at)), created_at)
    }

    /// New leads wait for somebody to take them; most of those worked on, and of those closed, have an agent: one who
    /// knows the place, or the line.
    fn agent(&self, status: Status, place: Place, line: &str, random: &mut Random) -> Option<UserId> {
        let taken = match status {
            Status::New => 8,
            Status::Contacted => 80,
            Status::Qualified => 95,
            Status::Closed(CloseReason::Won) => 90,
            Status::Closed(CloseReason::Lost) => 35,
            Status::Closed(CloseReason::Disqualified | CloseReason::Duplicate) => 10,
        };
        if self.agents.is_empty() || !random.percent(taken) {
            return None;
        }
        let candidates: Vec<&DemoAgent> = self
            .agents
            .iter()
            .filter(|agent| agent.fits(place, line))
            .collect();
        Some(if candidates.is_empty() || random.percent(10) {
            random.pick(&self.agents.iter().collect::<Vec<_>>()).id
        } else {
            random.pick(&candidates).id
        })
    }
}

impl DemoAgent {
    fn fits(&self, place: Place, line: &str) -> bool {
        self.state.as_deref() == Some(place.state) || self.specializations.iter().any(|known| known == line)
    }
}

/// Where between the newest (0) and the oldest (1) lead that of an index lies, given where it lies by chance.
///
/// The first ones may lie anywhere. Of those behind them, each thousand in turn lies in one of sixteen parts: what is
/// written by one transaction then goes to neighbouring pages of the indexes, also when these have become large.
fn neighbourhood(index: u64, chance: f64) -> f64 {
    // Every other part first, so that all have about as many however many leads there are.
    const PARTS: [u8; 16] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
    if index < 16_000 {
        return chance;
    }
    let part = PARTS[usize::try_from(index / 1_000 % 16).unwrap_or_default()];
    (f64::from(part) + chance) / 16.0
}

/// The older a lead, the further it is down the funnel.
fn status(age: Duration, random: &mut Random) -> Status {
    let [new, contacted, qualified, closed] = match age.whole_days() {
        ..2 => [80, 15, 4, 1],
        2..14 => [38, 40, 14, 8],
        14..60 => [12, 34, 26, 28],
        _ => [5, 15, 12, 68],
    };
    let reason = random.weighted(&[
        (CloseReason::Won, 29),
        (CloseReason::Lost, 46),
        (CloseReason::Disqualified, 18),
        (CloseReason::Duplicate, 7),
    ]);
    random.weighted(&[
        (Status::New, new),
        (Status::Contacted, contacted),
        (Status::Qualified, qualified),
        (Status::Closed(reason), closed),
    ])
}

/// Good leads get further; of the new ones half are not scored yet.
fn score(status: Status, random: &mut Random) -> i32 {
    let (least, most) = match status {
        Status::New if random.percent(50) => (0, 0),
        Status::New => (15, 90),
        Status::Contacted => (25, 90),
        Status::Qualified => (50, 98),
        Status::Closed(CloseReason::Won) => (55, 100),
        Status::Closed(CloseReason::Lost) => (15, 80),
        Status::Closed(CloseReason::Disqualified) => (1, 35),
        Status::Closed(CloseReason::Duplicate) => (15, 85),
    };
    i32::try_from(random.around(least, most)).unwrap_or_default()
}

fn custom_fields(place: Place, insurance_type: &str, random: &mut Random) -> CustomFields {
    let mut fields = Map::new();
    fields.insert("city".to_owned(), Value::from(place.city));
    fields.insert("state".to_owned(), Value::from(place.state));
    let detail = match insurance_type {
        "auto" => Some(("vehicles", random.between(1, 4))),
        "home" => Some(("yearBuilt", random.between(1925, 2024))),
        "commercial" => Some(("employees", random.between(1, 250))),
        _ => None,
    };
    if let Some((name, value)) = detail {
        fields.insert(name.to_owned(), Value::from(value));
    }
    CustomFields::parse(&fields).expect("three short fields")
}

/// PostgreSQL keeps no more: what is read back equals what was written.
fn microseconds(moment: OffsetDateTime) -> OffsetDateTime {
    moment.replace_microsecond(moment.microsecond()).unwrap_or(moment)
}
