use std::time::{Duration, Instant};

use super::SpikeSettings;

const PARTS: usize = 10;
/// Of fewer requests nothing is concluded.
const ENOUGH: u32 = 20;

/// Whether so many requests fail that less is to be attempted.
///
/// It begins at one error rate and ends at a lower one, and lasts for a window at least: else it would end by its own
/// effect, and begin again.
#[derive(Clone, Debug)]
pub struct Spike {
    settings: SpikeSettings,
    parts: [Part; PARTS],
    current: usize,
    current_began: Instant,
    since: Option<Instant>,
    begun: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    answered: u32,
    failed: u32,
}

impl Spike {
    pub fn new(settings: SpikeSettings, now: Instant) -> Self {
        Self {
            settings,
            parts: [Part::default(); PARTS],
            current: 0,
            current_began: now,
            since: None,
            begun: 0,
        }
    }

    /// Takes note of a request that was answered.
    pub fn note(&mut self, failed: bool, now: Instant) {
        self.turn(now);
        let part = &mut self.parts[self.current];
        part.answered += 1;
        part.failed += u32::from(failed);
        self.judge(now);
    }

    /// Since when there is one.
    pub fn since(&mut self, now: Instant) -> Option<Instant> {
        if self.turn(now) {
            self.judge(now);
        }
        self.since
    }

    /// The part of the requests of the last window that failed, of 1.
    pub fn error_rate(&mut self, now: Instant) -> f64 {
        self.turn(now);
        let whole = self.whole();
        if whole.answered == 0 {
            return 0.0;
        }
        f64::from(whole.failed) / f64::from(whole.answered)
    }

    /// How many there have been.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    fn judge(&mut self, now: Instant) {
        let whole = self.whole();
        let (answered, failed) = (f64::from(whole.answered), f64::from(whole.failed));
        match self.since {
            None if whole.answered >= ENOUGH && failed >= self.settings.begins_at * answered => {
                self.since = Some(now);
                self.begun += 1;
            }
            Some(since)
                if now.saturating_duration_since(since) >= self.settings.window
                    && failed <= self.settings.ends_at * answered =>
            {
                self.since = None;
            }
            _ => {}
        }
    }

    fn whole(&self) -> Part {
        let add = |sum: Part, part: &Part| Part {
            answered: sum.answered + part.answered,
            failed: sum.failed + part.failed,
        };
        self.parts.iter().fold(Part::default(), add)
    }

    /// Forgets what lies longer back than a window; returns whether time has passed at all.
    fn turn(&mut self, now: Instant) -> bool {
        let length = self.part_length();
        let mut turned = 0;
        while now.saturating_duration_since(self.current_began) >= length && turned < PARTS {
            self.current = (self.current + 1) % PARTS;
            self.parts[self.current] = Part::default();
            self.current_began += length;
            turned += 1;
        }
        if turned == PARTS {
            self.current_began = now;
        }
        turned > 0
    }

    fn part_length(&self) -> Duration {
        let tenth = self.settings.window / u32::try_from(PARTS).unwrap_or(u32::MAX);
        tenth.max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn spike(now: Instant) -> Spike {
        let settings = SpikeSettings {
            begins_at: 0.10,
            ends_at: 0.02,
            window: WINDOW,
        };
        Spike::new(settings, now)
    }

    #[test]
    fn a_few_errors_among_few_requests_are_none() {
        let now = Instant::now();
        let mut spike = spike(now);
        for _ in 0..ENOUGH - 1 {
            spike.note(true, now);
        }

        assert_eq!(spike.since(now), None);
        assert!(spike.error_rate(now) > 0.99);
    }

    #[test]
    fn it_begins_when_many_fail_lasts_for_a_window_and_ends_when_few_do() {
        let start = Instant::now();
        let mut spike = spike(start);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for request in 0..100 {
            spike.note(request % 10 == 0, start);
        }
        assert_eq!(spike.since(start), Some(start));

        // All is well at once, but it has just begun.
        for _ in 0..10_000 {
            spike.note(false, at(5));
        }
        assert_eq!(spike.since(at(9)), Some(start));
        assert_eq!(spike.since(at(10)), None);
        assert_eq!(spike.begun(), 1);
    }

    #[test]
    fn it_goes_on_between_the_two_rates() {
        let start = Instant::now();
        let mut spike = spike(start);
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            for request in 0..100 {
                let failed = if second < 5 { request < 20 } else { request < 5 };
                spike.note(failed, now);
            }
            assert_eq!(spike.since(now), Some(start), "after {second} s");
        }
        // Nobody asks any more, so nothing fails.
        assert_eq!(spike.since(start + Duration::from_secs(75)), None);
    }

    #[test]
    fn above_one_it_never_begins() {
        let now = Instant::now();
        let mut spike = Spike::new(
            SpikeSettings {
                begins_at: 1.1,
                ends_at: 0.0,
                window: WINDOW,
            },
            now,
        );
        for _ in 0..1_000 {
            spike.note(true, now);
        }

        assert_eq!(spike.since(now), None);
    }
}
