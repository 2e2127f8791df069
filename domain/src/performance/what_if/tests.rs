use proptest::prelude::*;

use super::closed::Closed;
use super::simulation::Played;
use super::station::Station;
use super::system::System;
use super::*;
use crate::performance::statistics::real;

/// Requests that compute for a millisecond, and read from the database for two.
fn live(load: Load) -> Live {
    Live {
        load,
        throughput_per_second: 1_000.0,
        mean_ms: 6.0,
        p95_ms: 12.0,
        cores: 4.0,
        busy_cores: 1.0,
        upstream_ms: 0.5,
        primary: NodeUse {
            connections: 10,
            lent: 2.0,
            cores: 4.0,
            busy_cores: 1.0,
        },
        replicas: vec![
            NodeUse {
                connections: 10,
                lent: 1.0,
                cores: 2.0,
                busy_cores: 0.5,
            };
            2
        ],
        shares_cores: false,
        cache: Some(CacheShare {
            hits: 0.9,
            of_database: 0.5,
        }),
    }
}

fn open() -> Live {
    live(Load::Open { per_second: 1_000.0 })
}

fn closed() -> Live {
    live(Load::Closed {
        clients: 10,
        think_ms: 4.0,
    })
}

fn then(live: &Live, change: Change) -> Outcome {
    what_if(live, &[change]).unwrap().then
}

fn is_about(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}

#[test]
fn textbook_networks_have_their_textbook_figures() {
    // Two balanced stations: N / (N + K - 1) of what one can do (Lazowska et al., 5.4).
    let stations = [Station::servers("a", 2.0, 1.0), Station::servers("b", 2.0, 1.0)];
    let network = Closed::new(&stations, 4);
    assert!(is_about(network.throughput(4), 4.0 / 5.0 / 2.0));
    // Delays alone: nobody waits.
    let network = Closed::new(&[Station::delay("a", 4.0)], 3);
    assert!(is_about(network.throughput(3), 0.75));
    // M/M/2 with one server's worth of load: a third waits, and a request takes 4/3 of its service.
    assert!(is_about(waiting_share(1.0, 2).unwrap(), 1.0 / 3.0));
    let there = super::open::visits(&[Station::servers("a", 1.0, 2.0)], 1.0).unwrap();
    assert!(is_about(there[0].number, 4.0 / 3.0));
    // M/M/1 at 80 %: four there.
    let there = super::open::visits(&[Station::servers("a", 0.8, 1.0)], 1.0).unwrap();
    assert!(is_about(there[0].number, 4.0));
    // Its response time is exponential, with a mean of 4.
    assert!(is_about(there[0].variance, 16.0));
}

#[test]
fn the_square_root_rule_is_near_what_it_takes() {
    for busy in [4.0, 25.0, 100.0, 400.0] {
        let needed = f64::from(needed_servers(busy, 0.22).unwrap());
        assert!(
            (square_root_staffing(busy, 1.0) - needed).abs() <= 2.0,
            "{busy} need {needed}"
        );
    }
    assert_eq!(waiting_share(2.0, 2), None);
    assert_eq!(waiting_share(f64::NAN, 2), None);
}

#[test]
fn the_model_says_of_what_is_so_what_is_so() {
    for live in [open(), closed()] {
        let WhatIf {
            now,
            then,
            fit_error,
            unexplained,
        } = what_if(&live, &[]).unwrap();

        assert_eq!(now, then);
        assert!(fit_error < 0.01, "{fit_error}");
        assert!((0.0..0.5).contains(&unexplained), "{unexplained}");
        assert!((now.p95_ms.unwrap() - live.p95_ms).abs() < 0.1);
        assert!((now.throughput_per_second - live.throughput_per_second).abs() < 10.0);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |live: &Live, change| what_if(live, &[change]).unwrap_err();
    let open = open();

    let none = Live {
        replicas: Vec::new(),
        cache: None,
        ..open.clone()
    };
    let lose = |count| Change::LoseReplicas { count };
    assert_eq!(refused(&none, lose(1)), WrongChange::Replicas.into());
    assert_eq!(refused(&open, lose(3)), WrongChange::Replicas.into());
    assert_eq!(refused(&open, lose(0)), WrongChange::Replicas.into());
    assert_eq!(
        refused(&none, Change::Ttl { divided_by: 2.0 }),
        WrongChange::Cache.into()
    );
    assert_eq!(
        refused(&open, Change::Rate { times: f64::NAN }),
        WrongChange::Factor.into()
    );
    assert_eq!(
        refused(&open, Change::Rate { times: 0.0 }),
        WrongChange::Factor.into()
    );
    let pool = |connections| Change::Pool {
        node: Node::Primary,
        connections,
    };
    assert_eq!(refused(&open, pool(0)), WrongChange::Connections.into());

    let idle = Live {
        throughput_per_second: 0.0,
        ..open.clone()
    };
    assert_eq!(what_if(&idle, &[]), Err(WrongLive::Idle.into()));
    let odd = Live {
        busy_cores: 9.0,
        ..open
    };
    assert_eq!(what_if(&odd, &[]), Err(WrongLive::Figure.into()));
}

#[test]
fn more_than_can_be_done_is_never_done() {
    // The cores could do four times as much, connections a little less.
    let Outcome {
        throughput_per_second,
        mean_ms,
        p95_ms,
        uses,
    } = then(&open(), Change::Rate { times: 5.0 });

    assert!((3_000.0..4_000.0).contains(&throughput_per_second));
    assert!(is_about(uses[0].share, 1.0) && uses[0].part == "primary");
    assert_eq!((mean_ms, p95_ms), (None, None));
    assert!(
        uses.iter()
            .all(|busy| busy.requests.is_none() && busy.share <= 1.0 + 1e-9)
    );
}

#[test]
fn without_replicas_the_primary_does_their_work() {
    let WhatIf { now, then, .. } = what_if(&open(), &[Change::LoseReplicas { count: 2 }]).unwrap();

    let share = |outcome: &Outcome| {
        outcome
            .uses
            .iter()
            .find(|busy| busy.part == "primary")
            .unwrap()
            .share
    };
    assert!(share(&then) > 1.5 * share(&now));
    assert!(then.uses.iter().all(|busy| busy.part != "replica"));
}

/// The model is fitted to what was measured of one system that is played through, asked about another, and compared with
/// what is measured when that is played through.
#[test]
fn the_model_foretells_what_is_played_through() {
    let base = Played {
        clients: 32,
        think: 20.0,
        cores: 2,
        compute: 0.8,
        connections: 10,
        node_cores: 2,
        work: 0.5,
        wait: 1.5,
    };
    let pool = |connections| Change::Pool {
        node: Node::Primary,
        connections,
    };
    let rate = |times| Change::Rate { times };
    let busy = Played {
        think: 0.0,
        clients: 16,
        ..base
    };
    let slow = Played {
        compute: 0.2,
        work: 1.0,
        wait: 4.0,
        ..busy
    };
    let cases: [(&str, Played, Change, Played); 8] = [
        (
            "pool 10 to 4",
            base,
            pool(4),
            Played {
                connections: 4,
                ..base
            },
        ),
        (
            "pool 10 to 2",
            base,
            pool(2),
            Played {
                connections: 2,
                ..base
            },
        ),
        (
            "pool 2 to 10",
            Played {
                connections: 2,
                ..base
            },
            pool(10),
            base,
        ),
        ("rate × 2", base, rate(2.0), Played { clients: 64, ..base }),
        ("rate ÷ 2", base, rate(0.5), Played { clients: 16, ..base }),
        ("busy, rate × 2", busy, rate(2.0), Played { clients: 32, ..busy }),
        (
            "slow, pool 10 to 3",
            slow,
            pool(3),
            Played {
                connections: 3,
                ..slow
            },
        ),
        (
            "slow, pool 10 to 20",
            slow,
            pool(20),
            Played {
                connections: 20,
                ..slow
            },
        ),
    ];
    println!("case                  throughput: then  model  off       P95: then  model  off");
    for (name, before, change, after) in cases {
        let measured = after.play(20_000, 2);
        let foretold = then(&before.play(20_000, 1), change);

        let off = |foretold: f64, measured: f64| (foretold - measured) / measured;
        let throughput = (measured.throughput_per_second, foretold.throughput_per_second);
        let p95 = (measured.p95_ms, foretold.p95_ms.unwrap());
        let (throughput_off, p95_off) = (off(throughput.1, throughput.0), off(p95.1, p95.0));
        println!(
            "{name:20} {:17.0} {:6.0} {:4.0} % {:15.2} {:6.2} {:4.0} %",
            throughput.0,
            throughput.1,
            100.0 * throughput_off,
            p95.0,
            p95.1,
            100.0 * p95_off
        );
        assert!(throughput_off.abs() < 0.15, "{name}: {throughput:?}");
        assert!(p95_off.abs() < 0.30, "{name}: {p95:?}");
    }
}

fn some_live() -> impl Strategy<Value = Live> {
    let load = prop_oneof![
        (1_u32..60, 0.0_f64..50.0).prop_map(|(clients, think_ms)| Load::Closed { clients, think_ms }),
        Just(Load::Open { per_second: 0.0 }),
    ];
    let node = || (1_u32..20, 0.0_f64..1.0, 0.0_f64..1.0);
    let rest = (
        10.0_f64..2_000.0,
        0.1_f64..30.0,
        0.0_f64..0.95,
        0.0_f64..5.0,
        0_usize..3,
        any::<bool>(),
    );
    (load, node(), node(), rest).prop_map(|(load, primary, replica, rest)| {
        let (throughput, slack, busy, upstream_ms, replicas, shares_cores) = rest;
        let node = |(connections, lent, busy): (u32, f64, f64)| {
            let lent = lent * 0.9 * f64::from(connections);
            // Who works has a connection.
            let busy_cores = (busy * 3.6).min(lent);
            NodeUse {
                connections,
                lent,
                cores: 4.0,
                busy_cores,
            }
        };
        let load = match load {
            Load::Open { .. } => Load::Open {
                per_second: throughput,
            },
            closed @ Load::Closed { .. } => closed,
        };
        // What clients see is Little's law.
        let (throughput, mean_ms) = match load {
            Load::Open { .. } => (throughput, upstream_ms + slack),
            Load::Closed { clients, think_ms } => {
                let mean = upstream_ms + slack;
                (1_000.0 * f64::from(clients) / (mean + think_ms), mean)
            }
        };
        Live {
            load,
            throughput_per_second: throughput,
            mean_ms,
            p95_ms: 1.8 * mean_ms,
            cores: 4.0,
            busy_cores: 3.6 * busy,
            upstream_ms,
            primary: node(primary),
            replicas: vec![node(replica); replicas],
            shares_cores,
            cache: Some(CacheShare {
                hits: 0.8,
                of_database: 0.5,
            }),
        }
    })
}

/// Whether one outcome is no better than another, but for rounding.
fn is_no_better(worse: &Outcome, better: &Outcome) -> bool {
    let response = |outcome: &Outcome| outcome.mean_ms.unwrap_or(f64::INFINITY);
    worse.throughput_per_second <= better.throughput_per_second * (1.0 + 1e-6)
        && response(worse) >= response(better) * (1.0 - 1e-6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn more_load_is_never_answered_faster_nor_less_of_it(live in some_live(), times in 1.0_f64..4.0) {
        let WhatIf { now, then, .. } = what_if(&live, &[Change::Rate { times }]).unwrap();

        prop_assert!(then.throughput_per_second >= now.throughput_per_second * (1.0 - 1e-6));
        let response = |outcome: &Outcome| outcome.mean_ms.unwrap_or(f64::INFINITY);
        prop_assert!(response(&then) >= response(&now) * (1.0 - 1e-6));
    }

    #[test]
    fn more_connections_never_harm(live in some_live(), more in 1_u32..30) {
        let connections = live.primary.connections + more;
        let WhatIf { now, then, .. } = what_if(&live, &[Change::Pool { node: Node::Primary, connections }]).unwrap();

        prop_assert!(is_no_better(&now, &then), "{now:?} {then:?}");
    }

    #[test]
    fn answers_that_are_kept_for_less_never_help(live in some_live(), divided_by in 1.0_f64..20.0) {
        let WhatIf { now, then, .. } = what_if(&live, &[Change::Ttl { divided_by }]).unwrap();

        prop_assert!(is_no_better(&then, &now), "{now:?} {then:?}");
    }

    #[test]
    fn a_replica_less_never_helps(mut live in some_live()) {
        live.replicas.push(live.primary);
        live.replicas = vec![live.primary; live.replicas.len()];
        live.shares_cores = false;
        let WhatIf { now, then, .. } = what_if(&live, &[Change::LoseReplicas { count: 1 }]).unwrap();

        prop_assert!(is_no_better(&then, &now), "{now:?} {then:?}");
    }

    #[test]
    fn who_is_in_the_network_is_at_one_of_its_stations(live in some_live()) {
        let system = System::fit(&live).unwrap();
        let solved = system.solve();

        let Some(response) = solved.response else { return Ok(()) };
        let there: f64 = system.visits().unwrap().iter().map(|visit| visit.number).sum();
        // Little's law, for the whole.
        prop_assert!((there - solved.throughput * response).abs() <= 1e-6 * there.max(1.0), "{there}");
        if let Load::Closed { clients, think_ms } = live.load {
            let thinking = solved.throughput * think_ms;
            prop_assert!((there + thinking - f64::from(clients)).abs() < 1e-5 * f64::from(clients));
        }
        for station in system.stations() {
            prop_assert!(solved.throughput <= station.capacity() * (1.0 + 1e-9));
        }
    }

    #[test]
    fn fewer_wait_for_more_servers(busy in 0.0_f64..50.0, servers in 1_u32..60) {
        let share = |servers| waiting_share(busy, servers).unwrap_or(1.0);

        prop_assert!((0.0..=1.0).contains(&share(servers)));
        prop_assert!(share(servers + 1) <= share(servers) + 1e-12);
    }

    #[test]
    fn a_network_in_logarithms_is_as_one_in_numbers(
        demands in proptest::collection::vec(0.1_f64..10.0, 1..4),
        clients in 1_usize..20,
    ) {
        // Mean value analysis, for stations of one server each (Reiser and Lavenberg, 1980).
        let mut there = vec![0.0; demands.len()];
        let mut throughput = 0.0;
        for clients in 1..=clients {
            let times: Vec<f64> = demands.iter().zip(&there).map(|(demand, there)| demand * (1.0 + there)).collect();
            throughput = real(clients) / times.iter().sum::<f64>();
            there = times.iter().map(|time| throughput * time).collect();
        }
        let stations: Vec<Station> = demands.iter().map(|demand| Station::servers("a", *demand, 1.0)).collect();
        let network = Closed::new(&stations, clients);

        prop_assert!((network.throughput(clients) - throughput).abs() < 1e-9 * throughput);
        for (visit, there) in network.visits(&stations, clients).iter().zip(&there) {
            prop_assert!((visit.number - there).abs() < 1e-6);
        }
    }
}
