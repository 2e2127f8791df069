use super::closed::Closed;
use super::open;
use super::station::{Pace, Station, Visit};
use super::{CacheShare, Live, Load, NodeUse, WrongLive};
use crate::performance::statistics::{real, whole};

/// An installation, by what a request demands of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct System {
    pub(super) load: Load,
    pub(super) cores: f64,
    /// Of the cores, of services, and of nobody we know, in milliseconds.
    pub(super) compute: f64,
    pub(super) upstream: f64,
    pub(super) unexplained: f64,
    pub(super) primary: Node,
    pub(super) replicas: Vec<Node>,
    pub(super) shares_cores: bool,
    pub(super) cache: Option<CacheShare>,
}

/// A node of the database, by what a request demands of it on average, also if only some go there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) connections: u32,
    pub(super) cores: f64,
    /// Of its cores, and with a connection but without a core: the way there, and the disk.
    pub(super) work: f64,
    pub(super) wait: f64,
}

/// How a network fares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Solved {
    /// Requests a millisecond.
    pub(super) throughput: f64,
    /// `None`: it has no end, because more come than can be done.
    pub(super) response: Option<f64>,
}

impl System {
    /// Learns what requests demand from how they fare.
    pub(super) fn fit(live: &Live) -> Result<Self, WrongLive> {
        live.check()?;
        let rate = live.throughput_per_second / 1_000.0;
        let mut system = Self {
            load: live.load,
            cores: live.cores,
            compute: live.busy_cores / rate,
            upstream: live.upstream_ms,
            unexplained: 0.0,
            primary: Node::bare(&live.primary, rate),
            replicas: live.replicas.iter().map(|node| Node::bare(node, rate)).collect(),
            shares_cores: live.shares_cores,
            cache: live.cache,
        };
        let parts = system.parts_of_cores();
        system.primary.fit_wait(&live.primary, rate, parts);
        for (node, live) in system.replicas.iter_mut().zip(&live.replicas) {
            node.fit_wait(live, rate, parts);
        }
        system.unexplained = system.fit_unexplained(live.mean_ms);
        Ok(system)
    }

    /// The stations that requests pass, in the order of [`System::visits`].
    pub(super) fn stations(&self) -> Vec<Station> {
        let parts = self.parts_of_cores();
        let cores = if self.shares_cores {
            self.cores * parts.0
        } else {
            self.cores
        };
        let mut stations = vec![
            Station::servers("cores", self.compute, cores),
            Station::delay("upstreams", self.upstream),
            Station::delay("other", self.unexplained),
            self.primary.station("primary", parts),
        ];
        stations.extend(self.replicas.iter().map(|node| node.station("replica", parts)));
        stations
    }

    pub(super) fn solve(&self) -> Solved {
        match self.load {
            Load::Open { per_second } => {
                let rate = per_second / 1_000.0;
                let stations = self.stations();
                let capacity = stations
                    .iter()
                    .map(Station::capacity)
                    .fold(f64::INFINITY, f64::min);
                Solved {
                    throughput: rate.min(capacity),
                    response: open::visits(&stations, rate)
                        .map(|visits| visits.iter().map(|visit| visit.number).sum::<f64>() / rate),
                }
            }
            Load::Closed { clients, think_ms } => {
                let clients = whole(clients.into());
                let throughput = Closed::new(&self.with_clients(think_ms), clients).throughput(clients);
                Solved {
                    throughput,
                    response: Some(real(clients) / throughput - think_ms),
                }
            }
        }
    }

    /// What requests find at each station; `None`: ever more are there.
    pub(super) fn visits(&self) -> Option<Vec<Visit>> {
        match self.load {
            Load::Open { per_second } => open::visits(&self.stations(), per_second / 1_000.0),
            Load::Closed { clients, think_ms } => {
                let stations = self.with_clients(think_ms);
                let clients = whole(clients.into());
                let mut visits = Closed::new(&stations, clients).visits(&stations, clients);
                visits.pop();
                Some(visits)
            }
        }
    }

    fn with_clients(&self, think_ms: f64) -> Vec<Station> {
        let mut stations = self.stations();
        stations.push(Station::delay("clients", think_ms));
        stations
    }

    /// What the model does not know of takes the rest of the time, whatever the load.
    fn fit_unexplained(&self, mean_ms: f64) -> f64 {
        match self.load {
            Load::Open { .. } => {
                let explained = self.solve().response.unwrap_or(f64::INFINITY);
                (mean_ms - explained).max(0.0)
            }
            Load::Closed { clients, think_ms } => {
                let clients = whole(clients.into());
                let explained = Closed::new(&self.with_clients(think_ms), clients);
                least(mean_ms, |unexplained| {
                    let throughput =
                        explained.throughput_with(&Station::delay("other", unexplained), clients);
                    real(clients) / throughput - think_ms >= mean_ms
                })
            }
        }
    }

    /// Where processes and nodes run on the same cores, each is given the part it asks for, so all are busy at once. Returns
    /// the part of the processes, and what all demand of cores.
    fn parts_of_cores(&self) -> (f64, Option<(f64, f64)>) {
        if !self.shares_cores {
            return (1.0, None);
        }
        let nodes: f64 = self
            .replicas
            .iter()
            .chain([&self.primary])
            .map(|node| node.work)
            .sum();
        let all = self.compute + nodes;
        if all > 0.0 {
            (self.compute / all, Some((all, self.cores)))
        } else {
            (1.0, None)
        }
    }
}

type Parts = (f64, Option<(f64, f64)>);

impl Node {
    fn bare(live: &NodeUse, rate: f64) -> Self {
        Self {
            connections: live.connections,
            cores: live.cores,
            work: live.busy_cores / rate,
            wait: 0.0,
        }
    }

    /// Learns what a connection is lent for beside work: with as many lent as are, it is to do as much as it does.
    fn fit_wait(&mut self, live: &NodeUse, rate: f64, parts: Parts) {
        let lent = live.lent.min(live.connections.into());
        let most = whole(lent.ceil());
        let working = Closed::new(&[self.working(parts)], most);
        self.wait = least(lent / rate, |wait| {
            let wait = Station::delay("wait", wait);
            let does = |lent: usize| working.throughput_with(&wait, lent);
            // Between two whole numbers it does what lies between.
            let fewer = most.saturating_sub(1);
            let part = lent - real(fewer);
            does(fewer) * (1.0 - part) + does(most) * part <= rate
        });
    }

    fn station(&self, name: &'static str, parts: Parts) -> Station {
        let is_used = self.work + self.wait > 0.0;
        let connections = whole(self.connections.into());
        Station {
            name,
            pace: Pace::Table(if is_used {
                self.rates(connections, parts)
            } else {
                Vec::new()
            }),
        }
    }

    /// How many requests a millisecond it does with 1, 2, … connections lent.
    fn rates(&self, connections: usize, parts: Parts) -> Vec<f64> {
        let within = [self.working(parts), Station::delay("wait", self.wait)];
        let closed = Closed::new(&within, connections);
        (1..=connections).map(|lent| closed.throughput(lent)).collect()
    }

    fn working(&self, (_, shared): Parts) -> Station {
        let cores = match shared {
            Some((all, cores)) => cores * self.work / all,
            None => self.cores,
        };
        Station::servers("work", self.work, cores)
    }
}

/// The least number up to a bound from which on something holds, or nought; the bound when it does nowhere.
fn least(most: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(0.0) {
        return 0.0;
    }
    let (mut below, mut above) = (0.0, most);
    for _ in 0..40 {
        let middle = f64::midpoint(below, above);
        if holds(middle) {
            above = middle;
        } else {
            below = middle;
        }
    }
    above
}
