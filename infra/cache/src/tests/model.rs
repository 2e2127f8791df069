//! Any order of reads, changes, messages and slow loads: what a read may return is decided by what was heard before it
//! began.

use std::collections::{HashSet, VecDeque};

use fairlead_domain::cache::{Source, Tag};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::store::TimelineObserver as _;
use fairlead_telemetry::spawn;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::task::{JoinHandle, yield_now};

use super::origin::{Origin, Reader, scope, value};
use crate::CacheSettings;
use crate::generations::TagHash;

#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    /// Somebody reads who has the token of the latest commit, wherever that was made.
    ReadWithToken,
    /// Somebody reads who has the token of the latest commit before the last failover.
    ReadWithOldToken,
    /// A commit of this process.
    Commit,
    /// A commit of another process, whose message is on its way.
    CommitElsewhere,
    /// The oldest message on its way arrives.
    Hear,
    /// The replica catches up.
    Replay,
    /// The load that has waited the longest returns.
    Release,
    /// The replica becomes the primary, and this process is told.
    FailOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Read),
        2 => Just(Step::ReadWithToken),
        2 => Just(Step::Commit),
        1 => Just(Step::CommitElsewhere),
        1 => Just(Step::Hear),
        1 => Just(Step::Replay),
        4 => Just(Step::Release),
        1 => Just(Step::FailOver),
        1 => Just(Step::ReadWithOldToken),
    ];
    vec(step, 1..60)
}

/// A read under way, the least it may return, and what it may not.
struct Reading {
    least: u64,
    lost: HashSet<u64>,
    task: JoinHandle<u64>,
}

struct World {
    reader: Reader,
    on_its_way: VecDeque<LogPosition>,
    heard: u64,
    committed: u64,
    /// Commits that failovers have lost.
    lost: HashSet<u64>,
    old_token: Option<LogPosition>,
    reading: Vec<Reading>,
}

impl World {
    fn new() -> Self {
        let reader = Reader::new(Origin::held(), CacheSettings::default());
        reader.cache.note_timeline(1);
        Self {
            reader,
            on_its_way: VecDeque::new(),
            heard: 1,
            committed: 1,
            lost: HashSet::new(),
            old_token: None,
            reading: Vec::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Read => self.read(Consistency::Eventual, self.heard),
            Step::ReadWithToken => {
                let token = self.reader.origin.at(self.committed);
                self.read(Consistency::AtLeast(token), self.committed);
            }
            Step::ReadWithOldToken => {
                if let Some(token) = self.old_token {
                    self.read(Consistency::AtLeast(token), self.heard);
                }
            }
            Step::Commit => {
                let commit = self.commit();
                self.reader.bump(commit).await;
                self.heard = commit.lsn;
            }
            Step::CommitElsewhere => {
                let commit = self.commit();
                self.on_its_way.push_back(commit);
            }
            Step::Hear => self.hear(),
            Step::Replay => self.reader.origin.replay(),
            Step::Release => self.reader.origin.release(1),
            Step::FailOver => self.fail_over(),
        }
        // Everything that can go on does.
        for _ in 0..20 {
            yield_now().await;
        }
    }

    fn fail_over(&mut self) {
        self.old_token = Some(self.reader.origin.at(self.committed));
        let timeline = self.reader.origin.fail_over();
        let left = self.reader.origin.committed();
        self.lost.extend(left + 1..=self.committed);
        self.reader.cache.note_timeline(timeline);
        self.committed = left;
        // All that is left, whoever has told of it.
        self.heard = left;
        for reading in &mut self.reading {
            reading.least = reading.least.min(left);
        }
    }

    fn commit(&mut self) -> LogPosition {
        let commit = self.reader.origin.commit();
        self.committed = commit.lsn;
        commit
    }

    fn hear(&mut self) {
        let Some(commit) = self.on_its_way.pop_front() else {
            return;
        };
        let (inner, tenant) = (&self.reader.cache.inner, scope(1).tenant());
        inner.bump_here(tenant, [TagHash::of(tenant, Tag::Leads)], Some(commit));
        inner.generations.settle(tenant, commit);
        if !self.lost.contains(&commit.lsn) {
            self.heard = self.heard.max(commit.lsn);
        }
    }

    fn read(&mut self, consistency: Consistency, least: u64) {
        let reader = self.reader.clone();
        let task = spawn(async move { value(&reader.ask(consistency).await.unwrap()) });
        let lost = self.lost.clone();
        self.reading.push(Reading { least, lost, task });
    }

    /// Lets everything end: each read has seen enough, and what is kept is the latest.
    async fn finish(mut self) {
        while !self.on_its_way.is_empty() {
            self.hear();
        }
        self.reader.origin.release(10_000);
        for Reading { least, lost, task } in self.reading {
            let seen = task.await.unwrap();
            assert!(
                !lost.contains(&seen),
                "a read returned {seen}, which was lost before it began"
            );
            assert!(
                seen >= least,
                "a read returned {seen}, though {least} was heard before it began"
            );
        }
        assert_eq!(self.reader.value().await, self.committed);
        let again = self.reader.ask(Consistency::Eventual).await.unwrap();
        assert_eq!((again.source, value(&again)), (Source::Memory, self.committed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_read_misses_what_was_heard_before_it_began(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
            }
            world.finish().await;
        });
    }
}
