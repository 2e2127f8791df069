use fairlead_domain::Id;
use fairlead_domain::activities::{Activity, ActivityKind};
use fairlead_domain::leads::{CloseReason, Lead, Status};
use time::{Duration, OffsetDateTime};

use super::lead::Demo;
use super::random::{Random, Stream};
use super::words::{CALLS, EMAILS, MEETINGS, NOTES, TASKS};

/// Leads older than this have no activities: whoever tries the product out looks at the newest ones.
const REMEMBERED: Duration = Duration::days(14);

impl Demo {
    /// What was done about the lead of an index, oldest first: 0 to 8 activities, none for old leads.
    pub fn activities(&self, index: u64, lead: &Lead) -> Vec<Activity> {
        let age = self.age(lead);
        if age > REMEMBERED {
            return Vec::new();
        }
        let mut random = Random::new(&self.slug, Stream::History, index);
        let (least, most) = match lead.status {
            Status::New => (0, 2),
            Status::Contacted => (1, 5),
            Status::Qualified => (3, 8),
            Status::Closed(_) => (2, 8),
        };
        // A note does not change the lead, so a new one has a history all the same.
        let span = (lead.updated_at - lead.created_at).max(age.min(Duration::DAY));
        let mut moments: Vec<OffsetDateTime> = (0..random.around(least, most))
            .map(|_| lead.created_at + span * random.unit())
            .map(|moment| moment.replace_microsecond(moment.microsecond()).unwrap_or(moment))
            .collect();
        moments.sort_unstable();

        let mut activities: Vec<Activity> = moments
            .into_iter()
            .map(|at| activity(lead, at, &mut random))
            .collect();
        // The last thing that happened to a lead that is no longer new is the move to where it is now.
        if let (Some(last), Some(before)) = (activities.last_mut(), before(lead.status)) {
            last.kind = ActivityKind::StatusChange;
            last.subject = Some(format!("{before} to {}", lead.status));
            last.body = None;
        }
        activities
    }
}

fn activity(lead: &Lead, at: OffsetDateTime, random: &mut Random) -> Activity {
    let kind = random.weighted(&[
        (ActivityKind::Note, 24),
        (ActivityKind::Call, 34),
        (ActivityKind::Email, 26),
        (ActivityKind::Meeting, 6),
        (ActivityKind::Task, 10),
    ]);
    let (subject, body) = match kind {
        ActivityKind::Call => random.pick(&CALLS),
        ActivityKind::Email => random.pick(&EMAILS),
        ActivityKind::Meeting => random.pick(&MEETINGS),
        ActivityKind::Task => random.pick(&TASKS),
        _ => random.pick(&NOTES),
    };
    Activity {
        id: Id::from_uuid(random.id(at)),
        lead: lead.id,
        kind,
        subject: Some(subject.to_owned()),
        body: Some(body.to_owned()),
        actor: lead.assigned_to,
        occurred_at: at,
        version: 1,
        created_at: at,
    }
}

/// Where a lead came from on its way to where it is.
fn before(status: Status) -> Option<Status> {
    match status {
        Status::New => None,
        Status::Contacted => Some(Status::New),
        Status::Closed(CloseReason::Won) => Some(Status::Qualified),
        Status::Qualified | Status::Closed(_) => Some(Status::Contacted),
    }
}
