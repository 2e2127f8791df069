//! Clients that follow events by WebSocket while leads are made, and how soon each is told of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::clock::Ids as _;
use fairlead_http::{ApiClient, ApiError, ApiSocket};
use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::generate::Tallies;
use super::scenario::Phase;
use crate::system::SystemIds;

const PATH: &str = "/api/v1/ws";
/// What is still on its way is waited for.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// Leads that were made, by their ids.
type Made = HashMap<String, Lead>;

#[derive(Debug, Default)]
struct Lead {
    /// When the server had answered that it is made; `None`: it has not answered yet.
    answered: Option<Instant>,
    /// Which followers were told of it. One that is told twice is told once.
    told: Vec<bool>,
}

/// What this run has left to be told.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) sockets: u64,
    pub(super) made: u64,
    /// Leads that were not made: refused, or without an answer.
    pub(super) refused: u64,
    /// For how long leads were made.
    pub(super) lasted: Duration,
    /// Messages without a type or data.
    pub(super) malformed: u64,
    /// Leads that could not be deleted again.
    pub(super) left_over: u64,
    /// Sockets that ended before the run did.
    pub(super) ended: u64,
}

impl Followed {
    /// How many leads were made a second.
    pub(super) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody makes so many leads")]
        let made = self.made as f64;
        made / self.lasted.as_secs_f64().max(f64::EPSILON)
    }
}

/// Opens `count` sockets, makes leads for as long as the phase lasts, and deletes them again.
pub(super) async fn run(
    client: &ApiClient,
    count: usize,
    phase: &Phase,
    tallies: &Tallies,
    stop: &AtomicBool,
) -> anyhow::Result<Followed> {
    let mark = format!("Load test {}", SystemIds.next());
    let made = Arc::new(Mutex::new(Made::default()));
    let (malformed, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut following = Vec::new();
    while following.len() < count && !stop.load(Ordering::Relaxed) {
        let mut socket = client.socket(PATH).await?;
        socket
            .say(json!({ "type": "subscribe", "events": ["lead_created", "lead_updated"] }).to_string())
            .await?;
        while let Some(told) = socket.told().await? {
            if serde_json::from_str::<Value>(&told)?["type"] == "subscribed" {
                break;
            }
        }
        let (made, tallies, mark) = (Arc::clone(&made), tallies.clone(), mark.clone());
        let (malformed, ended) = (Arc::clone(&malformed), Arc::clone(&ended));
        let follower = following.len();
        following.push(spawn(async move {
            follow(socket, follower, &mark, &made, &tallies, &malformed).await;
            ended.fetch_add(1, Ordering::Relaxed);
        }));
    }

    let followers = following.len() as u64;
    let began = Instant::now();
    let (mut number, mut refused, mut has_lost) = (0_u32, 0, false);
    let mut why: Option<ApiError> = None;
    while began.elapsed() < phase.lasts && !stop.load(Ordering::Relaxed) {
        sleep_until(began + Duration::from_secs_f64(f64::from(number) / phase.rate)).await;
        let body = json!({ "name": format!("{mark} {number}") }).to_string();
        match client.post::<Value>("/api/v1/leads", None, Some(body)).await {
            Ok(lead) => note_made(&made, tallies, lead["id"].as_str().unwrap_or_default(), followers),
            // Some may be refused for want of room; all of them is told as what it is.
            Err(error) => {
                has_lost |= !matches!(error, ApiError::Refused(_));
                note_refused(&error, tallies, followers);
                refused += 1;
                why = Some(error);
            }
        }
        number += 1;
    }
    let lasted = began.elapsed();
    let waits_until = Instant::now() + STRAGGLERS;
    // Of one whose answer was lost nobody knows whether it was made, before a follower is told of it.
    while Instant::now() < waits_until && (has_lost || tallies.locked()[0].under_way() > 0) {
        sleep(Duration::from_millis(50)).await;
    }
    let ended = ended.load(Ordering::Relaxed);
    for task in following {
        task.abort();
    }
    // One whose answer was lost, and of which a follower was told, is deleted as well.
    let (leads, answered): (Vec<String>, u64) = {
        let made = locked(&made);
        let answered = made.values().filter(|lead| lead.answered.is_some());
        (made.keys().cloned().collect(), answered.count() as u64)
    };
    let mut left_over = 0;
    for id in &leads {
        let deleted = client.delete::<()>(&format!("/api/v1/leads/{id}")).await;
        left_over += u64::from(deleted.is_err());
    }
    if let (0, Some(error)) = (answered, why) {
        let left_over = match left_over {
            0 => String::new(),
            some => format!("; {some} were made all the same and are there, named {mark:?}"),
        };
        let why = format!("no lead can be made to be told of{left_over}");
        return Err(anyhow::Error::from(error).context(why));
    }
    Ok(Followed {
        sockets: followers,
        made: answered,
        refused,
        lasted,
        malformed: malformed.load(Ordering::Relaxed),
        left_over,
        ended,
    })
}

/// From here on each follower is owed the event. One that was told before the answer came has waited for nothing.
fn note_made(made: &Mutex<Made>, tallies: &Tallies, id: &str, followers: u64) {
    let mut made = locked(made);
    let lead = made.entry(id.to_owned()).or_default();
    lead.answered = Some(Instant::now());
    let early = lead.told.iter().filter(|told| **told).count();
    // Before anybody who is told of it can count that: no more succeed than are owed.
    let mut tallies = tallies.locked();
    let tally = &mut tallies[0];
    tally.due += followers;
    tally.sent += followers;
    for _ in 0..early {
        tally.succeeded += 1;
        tally.latency.note(Duration::ZERO);
        tally
            .by_route
            .entry("lead_created")
            .or_default()
            .note(Duration::ZERO);
    }
}

/// Nobody is told of a lead that was not made, so all followers lack it.
fn note_refused(error: &ApiError, tallies: &Tallies, followers: u64) {
    let mut tallies = tallies.locked();
    let tally = &mut tallies[0];
    tally.due += followers;
    tally.sent += followers;
    match error {
        ApiError::Refused(problem) => *tally.refused.entry(problem.status).or_default() += followers,
        _ => tally.broken += followers,
    }
}

async fn follow(
    mut socket: ApiSocket,
    follower: usize,
    mark: &str,
    made: &Mutex<Made>,
    tallies: &Tallies,
    malformed: &AtomicU64,
) {
    while let Ok(Some(text)) = socket.told().await {
        let arrived = Instant::now();
        let Some(told) = serde_json::from_str::<Value>(&text)
            .ok()
            .filter(|told| told["type"].is_string() && !told["data"].is_null())
        else {
            malformed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let name = told["data"]["data"]["name"].as_str().unwrap_or_default();
        let Some(id) = told["data"]["aggregateid"].as_str() else {
            continue;
        };
        if told["type"] != "lead_created" || !name.starts_with(mark) {
            continue;
        }
        let answered = {
            let mut made = locked(made);
            let lead = made.entry(id.to_owned()).or_default();
            if lead.told.len() <= follower {
                lead.told.resize(follower + 1, false);
            }
            if std::mem::replace(&mut lead.told[follower], true) {
                continue;
            }
            lead.answered
        };
        if let Some(answered) = answered {
            let took = arrived.saturating_duration_since(answered);
            let mut tallies = tallies.locked();
            let tally = &mut tallies[0];
            tally.succeeded += 1;
            tally.bytes += text.len() as u64;
            tally.latency.note(took);
            tally.by_route.entry("lead_created").or_default().note(took);
        }
    }
}

fn locked(made: &Mutex<Made>) -> std::sync::MutexGuard<'_, Made> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}
