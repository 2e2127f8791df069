//! Any order of reads, changes, messages and slow loads: what a read may return is decided by what was heard before it
//! began.

use std::collections::VecDeque;

use fairlead_domain::cache::{Source, Tag};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_telemetry::spawn;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::task::{JoinHandle, yield_now};

use super::origin::{Origin, Reader, position, scope, value};
use crate::CacheSettings;
use crate::generations::TagHash;

#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    /// Somebody reads who has the token of the latest commit, wherever that was made.
    ReadWithToken,
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
    ];
    vec(step, 1..60)
}

/// A read under way, and the least it may return.
struct Reading {
    least: u64,
    task: JoinHandle<u64>,
}

struct World {
    reader: Reader,
    on_its_way: VecDeque<LogPosition>,
    heard: u64,
    committed: u64,
    reading: Vec<Reading>,
}

impl World {
    fn new() -> Self {
        Self {
            reader: Reader::new(Origin::held(), CacheSettings::default()),
            on_its_way: VecDeque::new(),
            heard: 1,
            committed: 1,
            reading: Vec::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Read => self.read(Consistency::Eventual, self.heard),
            Step::ReadWithToken => {
                let token = position(self.committed);
                self.read(Consistency::AtLeast(token), self.committed);
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
        }
        // Everything that can go on does.
        for _ in 0..20 {
            yield_now().await;
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
        inner.bump_here([TagHash::of(tenant, Tag::Leads)], Some(commit));
        inner.generations.settle(tenant, commit);
        self.heard = self.heard.max(commit.lsn);
    }

    fn read(&mut self, consistency: Consistency, least: u64) {
        let reader = self.reader.clone();
        let task = spawn(async move { value(&reader.ask(consistency).await.unwrap()) });
        self.reading.push(Reading { least, task });
    }

    /// Lets everything end: each read has seen enough, and what is kept is the latest.
    async fn finish(mut self) {
        while !self.on_its_way.is_empty() {
            self.hear();
        }
        self.reader.origin.release(10_000);
        for Reading { least, task } in self.reading {
            let seen = task.await.unwrap();
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
