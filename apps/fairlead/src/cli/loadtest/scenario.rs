//! What is asked in each scenario, how much, for how long, and what the answers must hold to.

use std::time::Duration;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// The same load all along
    Baseline,
    /// More and more, up to where the targets are missed
    Stress,
    /// Five times as much for a while, and what is left of it afterwards
    Spike,
    /// The same load for long, and whether it becomes slower
    Endurance,
    /// What operators ask of /api/v1/performance
    Api,
    /// Clients that follow events, and how soon these come
    Websocket,
    /// Reads that the database answers, whatever caches have
    Database,
}

/// A stretch of a run that is reported by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phase {
    pub(super) name: String,
    /// Requests per second.
    pub(super) rate: f64,
    pub(super) lasts: Duration,
}

/// One kind of request; what it asks for is taken in turn.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) paths: Vec<String>,
}

/// What the answers must hold to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targets {
    /// How long they take, by thousandths of them.
    pub(super) latencies: &'static [(u16, Duration)],
    /// Failures among a thousand.
    pub(super) failures_of_thousand: f64,
}

/// Steps of `stress`: the first is the rate that was asked for, the last ten times as much.
const STEPS: u32 = 10;
const SPIKE: f64 = 5.0;

impl Scenario {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Stress => "stress",
            Self::Spike => "spike",
            Self::Endurance => "endurance",
            Self::Api => "api",
            Self::Websocket => "websocket",
            Self::Database => "database",
        }
    }

    /// Requests per second; of sockets, leads that are made.
    pub(super) fn usual_rate(self) -> f64 {
        match self {
            Self::Baseline | Self::Stress | Self::Endurance | Self::Database => 50.0,
            Self::Spike => 30.0,
            Self::Api | Self::Websocket => 5.0,
        }
    }

    pub(super) fn usual_duration(self) -> Duration {
        match self {
            Self::Baseline | Self::Spike | Self::Database => Duration::from_mins(1),
            Self::Stress => Duration::from_mins(2),
            Self::Endurance => Duration::from_mins(30),
            Self::Api | Self::Websocket => Duration::from_secs(30),
        }
    }

    pub(super) fn phases(self, rate: f64, lasts: Duration) -> Vec<Phase> {
        let phase = |name: String, rate: f64, lasts: Duration| Phase { name, rate, lasts };
        match self {
            Self::Stress => (1..=STEPS)
                .map(|step| phase(format!("step {step}"), rate * f64::from(step), lasts / STEPS))
                .collect(),
            Self::Spike => vec![
                phase("before".to_owned(), rate, lasts * 2 / 5),
                phase("spike".to_owned(), rate * SPIKE, lasts / 5),
                phase("after".to_owned(), rate, lasts * 2 / 5),
            ],
            Self::Endurance => (1..=4)
                .map(|quarter| phase(format!("quarter {quarter}"), rate, lasts / 4))
                .collect(),
            Self::Baseline | Self::Api | Self::Websocket | Self::Database => {
                vec![phase("steady".to_owned(), rate, lasts)]
            }
        }
    }

    /// REQUIREMENTS' TGT and LOAD-12, the stricter of both.
    pub(super) fn targets(self) -> Targets {
        const API: &[(u16, Duration)] = &[
            (500, Duration::from_millis(50)),
            (950, Duration::from_millis(100)),
            (990, Duration::from_millis(500)),
        ];
        const DATABASE: &[(u16, Duration)] = &[(950, Duration::from_millis(100))];
        const EVENTS: &[(u16, Duration)] = &[(950, Duration::from_millis(50))];
        Targets {
            latencies: match self {
                Self::Database => DATABASE,
                Self::Websocket => EVENTS,
                _ => API,
            },
            failures_of_thousand: 1.0,
        }
    }

    /// What is asked, of a tenant that has these leads.
    pub(super) fn routes(self, leads: &[String]) -> Vec<Route> {
        let one = |name: &'static str, path: &str| Route {
            name,
            paths: vec![path.to_owned()],
        };
        let each_lead = Route {
            name: "getLead",
            paths: leads.iter().map(|id| format!("/api/v1/leads/{id}")).collect(),
        };
        let mut routes = match self {
            Self::Api => vec![
                one("getPerformanceDashboard", "/api/v1/performance/dashboard"),
                one("getPerformanceStats", "/api/v1/performance/stats"),
                one("listEndpoints", "/api/v1/performance/endpoints"),
                one("listSlowRequests", "/api/v1/performance/slow-requests"),
                one(
                    "getConnectionPools",
                    "/api/v1/performance/database/connection-pool",
                ),
                one("listSlowQueries", "/api/v1/performance/database/slow-queries"),
                one("getCacheMetrics", "/api/v1/performance/cache/metrics"),
                one("getJobMetrics", "/api/v1/performance/jobs/metrics"),
                one("getCapacity", "/api/v1/performance/capacity/dashboard"),
            ],
            Self::Database => vec![
                Route {
                    name: "listLeads",
                    paths: (0..=100)
                        .map(|score| format!("/api/v1/leads?limit=50&minScore={score}"))
                        .collect(),
                },
                Route {
                    name: "searchLeads",
                    paths: ["ann", "bob", "lead", "person", "company"]
                        .map(|text| format!("/api/v1/leads/search?q={text}"))
                        .to_vec(),
                },
                one("listActivities", "/api/v1/activities?limit=50"),
                each_lead,
            ],
            // What k6 asked of the product before this one.
            _ => vec![
                one("listLeads", "/api/v1/leads?limit=50"),
                one("leadStatistics", "/api/v1/leads/statistics"),
                one("listUsers", "/api/v1/users?limit=50"),
                each_lead,
            ],
        };
        routes.retain(|route| !route.paths.is_empty());
        routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_take_the_time_that_was_asked_for() {
        let minute = Duration::from_mins(1);
        for scenario in Scenario::value_variants() {
            let phases = scenario.phases(20.0, minute);

            let lasts: Duration = phases.iter().map(|phase| phase.lasts).sum();
            assert_eq!(lasts, minute, "{scenario:?}");
        }
        let spike = Scenario::Spike.phases(20.0, minute);
        assert!((spike[1].rate - 100.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_tenant_without_leads_is_not_asked_for_one() {
        let routes = Scenario::Baseline.routes(&[]);

        assert!(routes.iter().all(|route| route.name != "getLead"));
        assert_eq!(Scenario::Baseline.routes(&["1".to_owned()]).len(), 4);
    }
}
