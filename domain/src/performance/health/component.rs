/// A part of the installation whose health is read by one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// How long it takes to answer when it is looked at, in milliseconds.
    Database,
    /// Which part of the connections to it is lent, of the pool of which most is.
    Pools,
    /// Which part of the answers that may be kept were not there when they were asked for.
    Cache,
    /// How long Redis takes to answer, in milliseconds.
    Redis,
    /// How much of the disk is used.
    Disk,
    /// How much of the memory that it may have the process uses.
    Memory,
    /// How much of its cores the process uses.
    Cpu,
    /// In how many milliseconds 95 of a hundred requests are answered.
    Latency,
    /// Which share of requests fails by our fault.
    Errors,
    /// How many of the sockets that a process may have are open.
    Sockets,
    /// By how many seconds events are behind that others are told of through the broker.
    Broker,
    /// For how many seconds jobs wait.
    Jobs,
    /// How many of the services that are called are away.
    Upstreams,
    /// By how many seconds the furthest replica is behind.
    Replicas,
}

/// How a component is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) weight: f64,
    /// Up to this it is well, and from that on it could not be worse.
    pub(super) good: f64,
    pub(super) bad: f64,
    /// Without it nothing works.
    pub(super) is_vital: bool,
}

/// What is known of a component.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    Value(f64),
    /// It does not work.
    Down(String),
    /// It could not be read, and why.
    Missing(String),
    /// This installation has none.
    NotUsed,
}

/// What a reading is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Measured { value: f64, points: f64 },
    Down { why: String },
    Missing { why: String },
    NotUsed,
}

impl Component {
    pub const ALL: [Self; 14] = [
        Self::Database,
        Self::Pools,
        Self::Cache,
        Self::Redis,
        Self::Disk,
        Self::Memory,
        Self::Cpu,
        Self::Latency,
        Self::Errors,
        Self::Sockets,
        Self::Broker,
        Self::Jobs,
        Self::Upstreams,
        Self::Replicas,
    ];

    pub fn as_str(self) -> &'static str {
        self.scale().name
    }

    /// What its figure is counted in.
    pub fn unit(self) -> &'static str {
        self.scale().unit
    }

    /// Up to what a figure is well, and from what on it could not be worse.
    pub fn bounds(self) -> (f64, f64) {
        (self.scale().good, self.scale().bad)
    }

    /// The bounds are where alerts begin and where they are critical, or the strictest targets that were set: for errors
    /// the objective of one in a thousand, and the rate at which an alert is critical.
    pub(super) fn scale(self) -> Scale {
        let scale = |name, unit, weight, good, bad| Scale {
            name,
            unit,
            weight,
            good,
            bad,
            is_vital: false,
        };
        let vital = |scale| Scale {
            is_vital: true,
            ..scale
        };
        match self {
            Self::Database => vital(scale("database", "ms", 3.0, 50.0, 2_000.0)),
            Self::Pools => vital(scale("pools", "share", 3.0, 0.80, 1.0)),
            Self::Cache => scale("cache", "share", 1.0, 0.20, 0.40),
            Self::Redis => scale("redis", "ms", 1.0, 5.0, 100.0),
            Self::Disk => vital(scale("disk", "share", 2.0, 0.80, 0.98)),
            Self::Memory => vital(scale("memory", "share", 2.0, 0.80, 0.98)),
            Self::Cpu => scale("cpu", "share", 1.0, 0.70, 1.0),
            Self::Latency => scale("latency", "ms", 3.0, 100.0, 500.0),
            Self::Errors => vital(scale("errors", "share", 3.0, 0.001, 0.10)),
            Self::Sockets => scale("sockets", "share", 1.0, 0.80, 1.0),
            Self::Broker => scale("broker", "seconds", 1.0, 30.0, 300.0),
            Self::Jobs => scale("jobs", "seconds", 1.0, 30.0, 300.0),
            Self::Upstreams => scale("upstreams", "share", 1.0, 0.0, 1.0),
            Self::Replicas => scale("replicas", "seconds", 1.0, 1.0, 30.0),
        }
    }

    pub(super) fn find(self, reading: Reading) -> Finding {
        match reading {
            Reading::Value(value) if value.is_finite() => {
                let Scale { good, bad, .. } = self.scale();
                let points = 100.0 * ((bad - value) / (bad - good)).clamp(0.0, 1.0);
                Finding::Measured { value, points }
            }
            Reading::Value(_) => Finding::Missing {
                why: "the figure is no number".to_owned(),
            },
            Reading::Down(why) => Finding::Down { why },
            Reading::Missing(why) => Finding::Missing { why },
            Reading::NotUsed => Finding::NotUsed,
        }
    }
}

impl Finding {
    /// `None`: it is not known, or there is none.
    pub fn points(&self) -> Option<f64> {
        match self {
            Self::Measured { points, .. } => Some(*points),
            Self::Down { .. } => Some(0.0),
            Self::Missing { .. } | Self::NotUsed => None,
        }
    }
}
