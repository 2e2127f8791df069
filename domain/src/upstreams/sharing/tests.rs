use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use time::Duration as Span;

use super::*;
use crate::upstreams::{Times, UpstreamFault};

const AI: &str = "ai";

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[derive(Debug, Default)]
struct Moment(Mutex<i64>);

impl Clock for Moment {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Span::seconds(*self.0.lock().unwrap())
    }
}

/// A board in memory.
#[derive(Debug, Default)]
struct Board(Mutex<OnBoard>);

#[derive(Debug, Default)]
struct OnBoard {
    posted: Posted,
    last: u64,
    prober: Option<usize>,
    is_away: bool,
}

/// How one process sees it.
#[derive(Debug)]
struct Seat(Arc<Board>, usize);

impl Seat {
    fn reach(&self) -> Result<MutexGuard<'_, OnBoard>, BoardUnavailable> {
        let board = self.0.0.lock().unwrap();
        if board.is_away {
            return Err(BoardUnavailable("away".into()));
        }
        Ok(board)
    }
}

#[async_trait]
impl BreakerBoard for Seat {
    async fn read(&self, _: &[&'static str]) -> Result<Vec<Posted>, BoardUnavailable> {
        let board = self.reach()?;
        Ok(vec![Posted {
            is_probed: board.prober.is_some(),
            ..board.posted.clone()
        }])
    }

    async fn post(&self, _: &'static str, news: &BreakerNews) -> Result<u64, BoardUnavailable> {
        let mut board = self.reach()?;
        board.last += 1;
        let numbered = Some(Numbered {
            number: board.last,
            news: news.clone(),
        });
        match news {
            BreakerNews::Opened(_) | BreakerNews::Closed => board.posted.found = numbered,
            BreakerNews::Held(_) | BreakerNews::LetGo => board.posted.decided = numbered,
        }
        Ok(board.last)
    }

    async fn restore(&self, name: &'static str, hold: &Hold) -> Result<Option<u64>, BoardUnavailable> {
        if self.reach()?.posted.decided.is_some() {
            return Ok(None);
        }
        self.post(name, &BreakerNews::Held(hold.clone())).await.map(Some)
    }

    async fn claim_probe(&self, _: &'static str, _: Duration) -> Result<bool, BoardUnavailable> {
        let mut board = self.reach()?;
        Ok(*board.prober.get_or_insert(self.1) == self.1)
    }
}

/// One breaker, as simple as can be.
#[derive(Debug)]
struct Breaker(Mutex<(UpstreamReport, ProbeTurn, usize)>, Arc<Moment>);

impl Breaker {
    fn change(&self, state: BreakerState) {
        let (report, ..) = &mut *self.0.lock().unwrap();
        report.state = state;
        report.since = self.1.now();
        report.next_probe = (state == BreakerState::Open).then(|| self.1.now() + Span::seconds(60));
    }

    fn state(&self) -> BreakerState {
        self.0.lock().unwrap().0.state
    }

    fn hold(&self) -> Option<String> {
        let (report, ..) = &*self.0.lock().unwrap();
        report.hold.as_ref().map(|hold| hold.reason.clone())
    }

    fn turn(&self) -> ProbeTurn {
        self.0.lock().unwrap().1
    }

    fn learned(&self) -> usize {
        self.0.lock().unwrap().2
    }

    fn await_turn(&self) {
        self.0.lock().unwrap().0.awaits_turn = true;
    }
}

impl Upstreams for Breaker {
    fn report(&self) -> Vec<UpstreamReport> {
        vec![self.0.lock().unwrap().0.clone()]
    }

    fn open(&self, _: &str, hold: Hold) -> Option<UpstreamReport> {
        self.0.lock().unwrap().0.hold = Some(hold);
        self.report().pop()
    }

    fn close(&self, _: &str) -> Option<UpstreamReport> {
        self.0.lock().unwrap().0.hold = None;
        self.change(BreakerState::Closed);
        self.report().pop()
    }

    fn learn(&self, _: &str, news: BreakerNews) {
        self.0.lock().unwrap().2 += 1;
        match news {
            BreakerNews::Opened(_) => self.change(BreakerState::Open),
            BreakerNews::Closed => self.change(BreakerState::Closed),
            BreakerNews::Held(hold) => self.0.lock().unwrap().0.hold = Some(hold),
            BreakerNews::LetGo => self.0.lock().unwrap().0.hold = None,
        }
    }

    fn give_turn(&self, _: &str, turn: ProbeTurn) {
        let (report, own, _) = &mut *self.0.lock().unwrap();
        report.awaits_turn = false;
        *own = turn;
    }
}

/// Some processes with one board.
struct Fleet {
    clock: Arc<Moment>,
    board: Arc<Board>,
    breakers: Vec<Arc<Breaker>>,
    sharings: Vec<BreakerSharing>,
}

impl Fleet {
    fn of(processes: usize) -> Self {
        let mut fleet = Self {
            clock: Arc::default(),
            board: Arc::default(),
            breakers: Vec::new(),
            sharings: Vec::new(),
        };
        for _ in 0..processes {
            fleet.join();
        }
        fleet.rounds(1);
        fleet
    }

    fn join(&mut self) {
        let report = UpstreamReport {
            name: AI,
            state: BreakerState::Closed,
            since: self.clock.now(),
            hold: None,
            next_probe: None,
            awaits_turn: false,
            failures: 0,
            failures_allowed: 5,
            in_flight: 0,
            max_in_flight: 16,
            calls: 0,
            succeeded: 0,
            faults: [0; UpstreamFault::NAMES.len()],
            retries: 0,
            opened: 0,
            attempts: Times::default(),
            last_faults: Vec::new(),
        };
        let breaker = Breaker(
            Mutex::new((report, ProbeTurn::Anybodys, 0)),
            Arc::clone(&self.clock),
        );
        let breaker = Arc::new(breaker);
        let seat = Seat(Arc::clone(&self.board), self.breakers.len());
        let upstreams = Arc::clone(&breaker) as Arc<dyn Upstreams>;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.sharings
            .push(BreakerSharing::new(upstreams, Arc::new(seat), clock));
        self.breakers.push(breaker);
    }

    /// A second passes, and all have had their round; so often.
    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            *self.clock.0.lock().unwrap() += 1;
            for sharing in &mut self.sharings {
                // Whether the board is there is for the test to know.
                now(sharing.round()).ok();
            }
        }
    }

    fn states(&self) -> Vec<BreakerState> {
        self.breakers.iter().map(|breaker| breaker.state()).collect()
    }

    fn turns(&self) -> Vec<ProbeTurn> {
        self.breakers.iter().map(|breaker| breaker.turn()).collect()
    }

    fn holds(&self) -> Vec<Option<String>> {
        self.breakers.iter().map(|breaker| breaker.hold()).collect()
    }

    fn hold(&self, process: usize, reason: &str) {
        let hold = Hold {
            operator: "olga".to_owned(),
            reason: reason.to_owned(),
            since: self.clock.now(),
            until: None,
        };
        self.breakers[process].open(AI, hold);
    }

    fn be_away(&self, is_away: bool) {
        self.board.0.lock().unwrap().is_away = is_away;
    }
}

use BreakerState::{Closed, HalfOpen, Open};

#[test]
fn what_one_process_finds_out_all_know_and_each_is_told_once() {
    let mut fleet = Fleet::of(3);

    fleet.breakers[1].change(Open);
    fleet.rounds(2);
    assert_eq!(fleet.states(), [Open; 3]);
    fleet.breakers[2].change(Closed);
    fleet.rounds(5);

    assert_eq!(fleet.states(), [Closed; 3]);
    let learned: Vec<usize> = fleet.breakers.iter().map(|breaker| breaker.learned()).collect();
    // Both news came from another process but for one each.
    assert_eq!(learned, [2, 1, 1]);
}

#[test]
fn a_process_that_comes_later_learns_what_is_so() {
    let mut fleet = Fleet::of(1);
    fleet.breakers[0].change(Open);
    fleet.hold(0, "it bills twice");
    fleet.rounds(1);

    fleet.join();
    fleet.rounds(1);

    assert_eq!(fleet.holds()[1].as_deref(), Some("it bills twice"));
}

#[test]
fn one_process_at_a_time_finds_out_whether_the_service_is_back_and_only_one_that_has_a_call() {
    let mut fleet = Fleet::of(3);
    for breaker in &fleet.breakers {
        breaker.change(HalfOpen);
    }

    fleet.rounds(1);
    assert_eq!(fleet.turns(), [ProbeTurn::Others; 3]);
    fleet.breakers[1].await_turn();
    fleet.breakers[2].await_turn();
    fleet.rounds(1);

    assert_eq!(
        fleet.turns(),
        [ProbeTurn::Others, ProbeTurn::Ours, ProbeTurn::Others]
    );
    // Its call may still be on its way.
    fleet.rounds(3);
    assert_eq!(fleet.turns()[1], ProbeTurn::Ours);
    // It made none: the next one has its turn, once the lease is over.
    fleet.rounds(20);
    assert_eq!(fleet.turns(), [ProbeTurn::Others; 3]);
    fleet.board.0.lock().unwrap().prober = None;
    fleet.breakers[0].await_turn();
    fleet.rounds(1);
    assert_eq!(fleet.turns()[0], ProbeTurn::Ours);
}

#[test]
fn where_calls_are_seldom_whichever_comes_next_finds_out_in_whatever_process() {
    let mut fleet = Fleet::of(3);
    for breaker in &fleet.breakers {
        breaker.change(HalfOpen);
    }

    // One call comes, and none for a minute.
    fleet.breakers[1].await_turn();
    fleet.rounds(20);
    assert!(!fleet.turns().contains(&ProbeTurn::Anybodys), "it has the turn");
    fleet.board.0.lock().unwrap().prober = None;
    fleet.rounds(40);
    assert_eq!(fleet.turns(), [ProbeTurn::Anybodys; 3]);

    // The next one is made at once. For as long as it takes, it is its turn alone.
    fleet.breakers[2].await_turn();
    fleet.rounds(2);
    assert_eq!(
        fleet.turns(),
        [ProbeTurn::Others, ProbeTurn::Others, ProbeTurn::Ours]
    );
    fleet.breakers[2].change(Closed);
    fleet.rounds(2);
    assert_eq!(fleet.states(), [Closed; 3]);
}

#[test]
fn where_no_call_comes_at_all_the_first_one_finds_out() {
    let mut fleet = Fleet::of(2);
    for breaker in &fleet.breakers {
        breaker.change(HalfOpen);
    }

    fleet.rounds(12);
    assert_eq!(
        fleet.turns(),
        [ProbeTurn::Others; 2],
        "many may come at this moment"
    );
    fleet.rounds(1);

    assert_eq!(fleet.turns(), [ProbeTurn::Anybodys; 2]);
}

#[test]
fn what_an_operator_decides_in_one_process_counts_in_all() {
    let mut fleet = Fleet::of(2);

    fleet.hold(0, "it bills twice");
    fleet.rounds(2);
    assert_eq!(
        fleet.holds(),
        [
            Some("it bills twice".to_owned()),
            Some("it bills twice".to_owned())
        ]
    );
    fleet.breakers[1].close(AI);
    fleet.rounds(2);

    assert_eq!(fleet.holds(), [None, None]);
    assert_eq!(fleet.states(), [Closed; 2]);
}

#[test]
fn without_the_board_each_finds_out_for_itself_and_tells_when_it_is_back() {
    let mut fleet = Fleet::of(2);
    fleet.hold(0, "it bills twice");
    fleet.rounds(2);

    fleet.be_away(true);
    fleet.breakers[1].close(AI);
    fleet.rounds(3);
    assert_eq!(fleet.turns(), [ProbeTurn::Anybodys; 2]);
    assert_eq!(fleet.holds(), [Some("it bills twice".to_owned()), None]);
    fleet.be_away(false);
    fleet.rounds(2);

    assert_eq!(fleet.holds(), [None, None]);
}

#[test]
fn a_board_that_has_lost_all_is_told_again_what_operators_have_decided() {
    let mut fleet = Fleet::of(2);
    fleet.hold(0, "it bills twice");
    fleet.rounds(2);

    fleet.board.0.lock().unwrap().posted = Posted::default();
    fleet.rounds(2);
    fleet.join();
    fleet.rounds(1);

    assert_eq!(fleet.holds(), vec![Some("it bills twice".to_owned()); 3]);
}
