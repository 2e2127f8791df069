use super::{LeadScore, Subject};
use crate::activities::ActivityKind;
use crate::leads::{Lead, Status};

/// Scores a lead by what is known of it: the same of the same, whoever asks and whenever.
pub(super) fn score(Subject { lead, activities }: &Subject) -> LeadScore {
    let talked = activities
        .iter()
        .any(|activity| matches!(activity.kind, ActivityKind::Call | ActivityKind::Meeting));
    let (base, standing) = standing(lead);
    let facts = [
        (lead.email.is_some(), 10, "has an e-mail address"),
        (lead.phone.is_some(), 10, "has a phone number"),
        (lead.company.is_some(), 10, "belongs to a company"),
        (lead.insurance_type.is_some(), 10, "says what it wants"),
        (lead.zip_code.is_some(), 5, "says where it is"),
        (is_referred(lead), 15, "was referred"),
        (talked, 10, "was talked to"),
    ];
    let mut score = base;
    let mut reasons = vec![format!("{standing} ({base})")];
    for (_, points, reason) in facts.into_iter().filter(|(holds, ..)| *holds) {
        score += points;
        reasons.push(format!("{reason} (+{points})"));
    }
    LeadScore {
        score: score.min(100),
        reasons,
    }
}

/// What its place in the pipeline is worth.
fn standing(lead: &Lead) -> (i32, &'static str) {
    match lead.status {
        Status::New => (10, "nobody has contacted it"),
        Status::Contacted => (20, "was contacted"),
        Status::Qualified => (30, "is qualified"),
        Status::Closed(_) => (0, "is closed"),
    }
}

fn is_referred(lead: &Lead) -> bool {
    let source = lead.source.as_deref().unwrap_or_default();
    source.to_lowercase().contains("referral")
}
