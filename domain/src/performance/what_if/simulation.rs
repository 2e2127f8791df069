//! An installation that is played through request by request, to see whether the model is right about it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{Live, Load, NodeUse};
use crate::performance::noise::Noise;
use crate::performance::statistics::real;

/// What a request demands, in milliseconds, each exponentially distributed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Played {
    pub(super) clients: u32,
    pub(super) think: f64,
    pub(super) cores: usize,
    pub(super) compute: f64,
    pub(super) connections: usize,
    pub(super) node_cores: usize,
    pub(super) work: f64,
    pub(super) wait: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ask,
    Computed,
    Worked,
    Done,
}

/// Servers, and who waits for one of them.
#[derive(Debug)]
struct Servers {
    free: usize,
    all: usize,
    waiting: VecDeque<usize>,
    busy: f64,
    since: f64,
}

impl Servers {
    fn new(all: usize) -> Self {
        Self {
            free: all,
            all,
            waiting: VecDeque::new(),
            busy: 0.0,
            since: 0.0,
        }
    }

    fn count(&mut self, now: f64) {
        self.busy += real(self.all - self.free) * (now - self.since);
        self.since = now;
    }

    /// Takes one; `false`: the request waits for it.
    fn take(&mut self, request: usize, now: f64) -> bool {
        self.count(now);
        if self.free == 0 {
            self.waiting.push_back(request);
            return false;
        }
        self.free -= 1;
        true
    }

    /// Gives it back, and says who has it now.
    fn give(&mut self, now: f64) -> Option<usize> {
        self.count(now);
        let next = self.waiting.pop_front();
        self.free += usize::from(next.is_none());
        next
    }
}

impl Played {
    /// Plays so many requests, after as many to warm up, and returns what would be measured.
    pub(super) fn play(&self, requests: usize, seed: u64) -> Live {
        let mut noise = Noise(seed);
        let mut takes = |mean: f64| -mean * noise.even().max(1e-12).ln();
        let mut cores = Servers::new(self.cores);
        let mut pool = Servers::new(self.connections);
        let mut node = Servers::new(self.node_cores);
        let clients = usize::try_from(self.clients).unwrap();
        let mut asked = vec![0.0; clients];
        // Times are compared as nanoseconds, which have an order.
        let mut events = BinaryHeap::new();
        let mut after = |events: &mut BinaryHeap<_>, now: f64, mean: f64, client: usize, step: Step| {
            let at = std::time::Duration::from_secs_f64((now + takes(mean)) / 1e3);
            events.push(Reverse((at, client, step)));
        };
        for client in 0..clients {
            after(&mut events, 0.0, self.think, client, Step::Ask);
        }
        let mut times = Vec::new();
        let (mut done, mut begun) = (0, 0.0);
        let mut now = 0.0;
        while done < 2 * requests {
            let Reverse((at, client, step)) = events.pop().unwrap();
            now = at.as_secs_f64() * 1e3;
            match step {
                Step::Ask => {
                    asked[client] = now;
                    if cores.take(client, now) {
                        after(&mut events, now, self.compute, client, Step::Computed);
                    }
                }
                Step::Computed => {
                    if let Some(next) = cores.give(now) {
                        after(&mut events, now, self.compute, next, Step::Computed);
                    }
                    if pool.take(client, now) && node.take(client, now) {
                        after(&mut events, now, self.work, client, Step::Worked);
                    }
                }
                Step::Worked => {
                    if let Some(next) = node.give(now) {
                        after(&mut events, now, self.work, next, Step::Worked);
                    }
                    after(&mut events, now, self.wait, client, Step::Done);
                }
                Step::Done => {
                    if let Some(next) = pool.give(now)
                        && node.take(next, now)
                    {
                        after(&mut events, now, self.work, next, Step::Worked);
                    }
                    done += 1;
                    if done == requests {
                        begun = now;
                        for servers in [&mut cores, &mut pool, &mut node] {
                            servers.count(now);
                            servers.busy = 0.0;
                        }
                    } else if done > requests {
                        times.push(now - asked[client]);
                    }
                    after(&mut events, now, self.think, client, Step::Ask);
                }
            }
        }
        let took = now - begun;
        times.sort_unstable_by(f64::total_cmp);
        let busy = |servers: &mut Servers| {
            servers.count(now);
            servers.busy / took
        };
        Live {
            load: Load::Closed {
                clients: self.clients,
                think_ms: self.think,
            },
            throughput_per_second: 1e3 * real(times.len()) / took,
            mean_ms: times.iter().sum::<f64>() / real(times.len()),
            p95_ms: times[times.len() * 95 / 100],
            cores: real(self.cores),
            busy_cores: busy(&mut cores),
            upstream_ms: 0.0,
            primary: NodeUse {
                connections: u32::try_from(self.connections).unwrap(),
                lent: busy(&mut pool),
                cores: real(self.node_cores),
                busy_cores: busy(&mut node),
            },
            replicas: Vec::new(),
            shares_cores: false,
            cache: None,
        }
    }
}
