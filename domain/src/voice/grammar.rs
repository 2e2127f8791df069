//! What rules understand: English, said as `docs/voice.md` shows.

use super::{VoiceCommand, Whom};
use crate::leads::{CloseReason, LeadDraft, RawLead, SearchText, Status};

/// Understands a command; `None`: it is none of those.
pub(super) fn understand(said: &str) -> Option<VoiceCommand> {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut words = Words(said.trim_end_matches(['.', '!', '?', ',', ' ']));
    while words.eat(&[
        "please",
        "hey",
        "ok",
        "okay",
        "fairlead",
        "could you",
        "can you",
        "i want to",
        "now",
    ]) {}
    statistics(words)
        .or_else(|| create(words))
        .or_else(|| note(words))
        .or_else(|| status(words))
        .or_else(|| assign(words))
        .or_else(|| search(words))
}

/// `how many leads do we have`, `show me the statistics`.
fn statistics(mut words: Words<'_>) -> Option<VoiceCommand> {
    if words.eat(&["how many leads"]) {
        return Some(VoiceCommand::Statistics);
    }
    words.eat(&["show me", "show", "give me", "tell me", "what are"]);
    words.eat(&["the", "our", "my"]);
    words.eat(&["lead", "leads"]);
    (words.eat(&["statistics", "stats"]) && words.is_done()).then_some(VoiceCommand::Statistics)
}

/// What a new lead is said to have, by what stands before it.
const FIELDS: [(&str, Field); 11] = [
    (" with email address ", Field::Email),
    (" email address ", Field::Email),
    (" with email ", Field::Email),
    (" email ", Field::Email),
    (" with phone number ", Field::Phone),
    (" phone number ", Field::Phone),
    (" with phone ", Field::Phone),
    (" phone ", Field::Phone),
    (" from ", Field::Company),
    (" interested in ", Field::Insurance),
    (" zip code ", Field::Zip),
];

#[derive(Clone, Copy)]
enum Field {
    Email,
    Phone,
    Company,
    Insurance,
    Zip,
}

/// `create a lead named Ann Ferris from Ferris Ltd with email ann@ferris.example and phone +1 555 010 0123`.
fn create(mut words: Words<'_>) -> Option<VoiceCommand> {
    words.eat(&["create", "add", "make", "register"]);
    words.eat(&["a", "an"]);
    words.eat(&["new"]);
    if !words.eat(&["lead"]) {
        return None;
    }
    words.eat(&["named", "called", "for"]);
    let mut rest = words.0;
    let mut raw = RawLead::default();
    let mut next = None;
    loop {
        let found = FIELDS
            .iter()
            .filter_map(|(marker, field)| find(rest, marker).map(|at| (at, marker.len(), *field)))
            .min_by_key(|(at, length, _)| (*at, usize::MAX - length));
        let value = &rest[..found.map_or(rest.len(), |(at, ..)| at)];
        let value = value.trim_end_matches([',', ' ']);
        let value = strip_end(value, " and").trim_end_matches([',', ' ']).to_owned();
        let place = match next {
            None if value.is_empty() => return None,
            None => {
                raw.name = value;
                None
            }
            Some(Field::Email) => raw.email.replace(written(&value)),
            Some(Field::Phone) => raw.phone.replace(value),
            Some(Field::Company) => raw.company.replace(value),
            Some(Field::Insurance) => raw
                .insurance_type
                .replace(strip_end(&value, " insurance").to_owned()),
            Some(Field::Zip) => raw.zip_code.replace(value),
        };
        // What is said twice is not clear.
        if place.is_some() {
            return None;
        }
        let Some((at, length, field)) = found else { break };
        // The blank behind a marker may be the one before the next.
        rest = &rest[at + length - 1..];
        next = Some(field);
    }
    let draft = LeadDraft::parse(raw).ok()?;
    Some(VoiceCommand::CreateLead(Box::new(draft)))
}

/// An e-mail address as it is written: `ann at ferris dot example` is how it may be said.
fn written(said: &str) -> String {
    let mut words = Vec::new();
    for word in said.split(' ') {
        words.push(match word.to_ascii_lowercase().as_str() {
            "at" => "@".to_owned(),
            "dot" => ".".to_owned(),
            _ => word.to_owned(),
        });
    }
    words.concat()
}

/// `add a note to Ann Ferris: wants a quote by Friday`.
fn note(mut words: Words<'_>) -> Option<VoiceCommand> {
    words.eat(&["add", "make", "leave", "write"]);
    words.eat(&["a", "the"]);
    if !words.eat(&["note"]) || !words.eat(&["to", "for", "on", "about"]) {
        return None;
    }
    let cut = [": ", " that says ", " saying ", ", "];
    let (lead, text) = cut
        .into_iter()
        .filter_map(|cut| find(words.0, cut).map(|at| (at, cut.len())))
        .min()
        .map(|(at, length)| (&words.0[..at], &words.0[at + length..]))?;
    let text = text.trim();
    (!text.is_empty()).then_some(())?;
    Some(VoiceCommand::AddNote {
        lead: of_lead(lead)?,
        text: text.to_owned(),
    })
}

/// `mark Ann Ferris as qualified`, `close Ann Ferris as lost`, `reopen Ann Ferris`.
fn status(mut words: Words<'_>) -> Option<VoiceCommand> {
    if words.eat(&["reopen"]) {
        return Some(VoiceCommand::ChangeStatus {
            lead: of_lead(words.0)?,
            status: Status::Contacted,
        });
    }
    let closes = words.eat(&["close"]);
    if !closes && !words.eat(&["mark", "set", "move", "change"]) {
        return None;
    }
    words.eat(&["the"]);
    words.eat(&["status of"]);
    // `to closed as lost`: the status begins at the first of these behind which there is one.
    let (lead, status) = ["as", "to"]
        .iter()
        .filter_map(|cut| words.cut_at_last(cut))
        .filter_map(|(lead, status)| Some((lead, status_named(status)?)))
        .min_by_key(|(lead, _)| lead.len())?;
    if closes && status.is_open() {
        return None;
    }
    Some(VoiceCommand::ChangeStatus {
        lead: of_lead(lead)?,
        status,
    })
}

fn status_named(said: &str) -> Option<Status> {
    let mut words = Words(said);
    words.eat(&["closed"]);
    words.eat(&["as"]);
    words.eat(&["a"]);
    Some(match words.0.to_ascii_lowercase().as_str() {
        "new" => Status::New,
        "contacted" => Status::Contacted,
        "qualified" => Status::Qualified,
        "won" => Status::Closed(CloseReason::Won),
        "lost" => Status::Closed(CloseReason::Lost),
        "disqualified" => Status::Closed(CloseReason::Disqualified),
        "duplicate" => Status::Closed(CloseReason::Duplicate),
        _ => return None,
    })
}

/// `assign Ann Ferris to Bob Agent`, `assign Ann Ferris to me`, `unassign Ann Ferris`.
fn assign(mut words: Words<'_>) -> Option<VoiceCommand> {
    if words.eat(&["unassign"]) {
        return Some(VoiceCommand::Assign {
            lead: of_lead(words.0)?,
            to: Whom::Nobody,
        });
    }
    if !words.eat(&["assign", "reassign", "give", "transfer", "hand"]) {
        return None;
    }
    let (lead, whom) = words.cut_at_last("to")?;
    Some(VoiceCommand::Assign {
        lead: of_lead(lead)?,
        to: whom_named(whom)?,
    })
}

/// Reads whom somebody means.
pub(super) fn whom_named(said: &str) -> Option<Whom> {
    let said = said.trim();
    Some(match said.to_ascii_lowercase().as_str() {
        "" => return None,
        "me" | "myself" => Whom::Me,
        "nobody" | "no one" => Whom::Nobody,
        "anybody" | "anyone" | "the best agent" | "the best" | "best" => Whom::Best,
        _ => Whom::Named(said.to_owned()),
    })
}

/// `search for Ann`, `find leads named Ferris`.
fn search(mut words: Words<'_>) -> Option<VoiceCommand> {
    if !words.eat(&["search", "look", "find", "show me", "show"]) {
        return None;
    }
    words.eat(&["for"]);
    words.eat(&["all"]);
    words.eat(&["the"]);
    words.eat(&["leads", "lead"]);
    words.eat(&["named", "called", "for"]);
    SearchText::parse(words.0).ok().map(VoiceCommand::Search)
}

/// The name of a lead, without the word for what it is.
fn of_lead(said: &str) -> Option<String> {
    let mut words = Words(said.trim());
    words.eat(&["the"]);
    words.eat(&["lead"]);
    let name = words.0.trim_end_matches([',', ' ']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// What is left of what was said.
#[derive(Clone, Copy)]
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// Takes one of these away, if it comes next and is not the beginning of another word.
    fn eat(&mut self, any: &[&str]) -> bool {
        for wanted in any {
            let Some((head, rest)) = self.0.split_at_checked(wanted.len()) else {
                continue;
            };
            if head.eq_ignore_ascii_case(wanted)
                && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\'')
            {
                self.0 = rest.trim_start_matches([' ', ',', ':']);
                return true;
            }
        }
        false
    }

    fn is_done(self) -> bool {
        self.0.is_empty()
    }

    /// What stands before and behind this word, where it comes last.
    fn cut_at_last(self, word: &str) -> Option<(&'a str, &'a str)> {
        let lower = self.0.to_ascii_lowercase();
        let word = format!(" {word} ");
        let at = lower.rfind(&word)?;
        Some((&self.0[..at], &self.0[at + word.len()..]))
    }
}

/// Where this is, whatever its case.
fn find(text: &str, part: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(part)
}

fn strip_end<'a>(text: &'a str, end: &str) -> &'a str {
    let at = text
        .len()
        .checked_sub(end.len())
        .filter(|at| text.is_char_boundary(*at));
    match at {
        Some(at) if text[at..].eq_ignore_ascii_case(end) => &text[..at],
        _ => text,
    }
}
