/// Which share of requests waits for a server, when so many are busy on average: Erlang's C, by his recursion for B.
///
/// `None`: there are too few servers for any end of waiting.
pub fn waiting_share(busy: f64, servers: u32) -> Option<f64> {
    if !(busy >= 0.0 && busy < f64::from(servers)) {
        return None;
    }
    let blocked = (1..=servers).fold(1.0, |blocked, server| {
        busy * blocked / (f64::from(server) + busy * blocked)
    });
    let load = busy / f64::from(servers);
    Some(blocked / (1.0 - load * (1.0 - blocked)))
}

/// How many servers it takes for no more than this share to wait; `None`: more than there is any sense in.
pub fn needed_servers(busy: f64, waiting: f64) -> Option<u32> {
    const MOST: u32 = 10_000;
    (1..=MOST).find(|servers| waiting_share(busy, *servers).is_some_and(|share| share <= waiting))
}

/// About how many servers it takes: those that are busy, and their square root times a factor for what comes in bursts
/// (Halfin and Whitt, 1981). A factor of 1 lets a fifth of all wait, one of 2 a fortieth.
pub fn square_root_staffing(busy: f64, factor: f64) -> f64 {
    (busy + factor * busy.sqrt()).ceil()
}
