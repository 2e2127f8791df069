use time::OffsetDateTime;

use super::Summary;
use crate::activities::{Activity, ActivityKind};

/// After so many days without a word somebody is to say one.
const SILENCE_DAYS: i64 = 7;

/// Counts activities, the newest first, and tells the last one: the same of the same, on the same day.
pub(super) fn summarize(activities: &[Activity], now: OffsetDateTime) -> Summary {
    let Some(last) = activities.first() else {
        return Summary {
            text: "Nothing has been done yet.".to_owned(),
            next_steps: vec!["Get in touch.".to_owned()],
        };
    };
    let days_ago = |activity: &Activity| (now - activity.occurred_at).whole_days().max(0);
    let counts: Vec<String> = ActivityKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let count = activities.iter().filter(|activity| activity.kind == kind).count();
            (count > 0).then(|| format!("{count} {kind}", kind = kind.as_str()))
        })
        .collect();
    let subject = last.subject.as_deref().unwrap_or("without a subject");
    let text = format!(
        "{} of late: {}. The last one, {}: {}, {subject}.",
        count_of(activities.len()),
        counts.join(", "),
        ago(days_ago(last)),
        last.kind.as_str(),
    );
    let spoken = activities.iter().find(|activity| !activity.kind.is_automatic());
    let next_steps = match spoken.map(days_ago) {
        Some(days) if days <= SILENCE_DAYS => Vec::new(),
        Some(days) => vec![format!("Get in touch again: the last time was {}.", ago(days))],
        None => vec!["Get in touch.".to_owned()],
    };
    Summary { text, next_steps }
}

fn count_of(activities: usize) -> String {
    match activities {
        1 => "1 activity".to_owned(),
        many => format!("{many} activities"),
    }
}

fn ago(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "a day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}
