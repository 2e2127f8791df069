use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use time::OffsetDateTime;

use super::{Observation, Page, PageVital, SlowestView, Vital, VitalKey};
use crate::identity::TenantId;
use crate::performance::{Grain, LatencySketch};

/// As many pages of a tenant are told apart within an hour, and of all tenants together; all others are one.
pub const MOST_PAGES: usize = 50;
/// As many sketches are kept at once, of 3 KiB each: of more tenants than have room, nothing is.
pub const MOST_SERIES: usize = 2_048;

/// What browsers have told this process and nobody has written down yet, and of the hours that go on.
///
/// Of each hour what is known is written whole, again and again until it is over: to write it twice is to write it once.
#[derive(Debug, Default)]
pub struct VitalMeters {
    known: HashMap<VitalKey, Kept>,
    /// Pages of each tenant and hour that are told apart.
    pages: HashMap<(TenantId, OffsetDateTime), BTreeSet<Page>>,
    /// Of all tenants since the start, for operators.
    all: BTreeMap<(Vital, Page), LatencySketch>,
    all_pages: BTreeSet<Page>,
    /// Observations that there was no room for.
    lost: u64,
}

#[derive(Debug, Default)]
struct Kept {
    vital: PageVital,
    is_written: bool,
}

impl VitalMeters {
    /// Takes note of what a browser tells; `look` finds what is known of the request that a view was loaded by, and is asked
    /// where it is the slowest so far. Tells whether there was room.
    pub fn note(
        &mut self,
        tenant: TenantId,
        at: OffsetDateTime,
        observation: Observation,
        look: impl FnOnce(&str) -> Option<SlowestView>,
    ) -> bool {
        self.note_for_all(&observation);
        let hour = Grain::Hour.beginning(at);
        let room = MOST_SERIES.saturating_sub(self.known.len());
        let pages = self.pages.get(&(tenant, hour));
        let is_known = pages.is_some_and(|pages| pages.contains(&observation.page));
        // When places become few, new pages have none of their own.
        let may_have_place = pages.map_or(0, BTreeSet::len) < MOST_PAGES && room > MOST_SERIES / 4;
        let page = if is_known || may_have_place {
            observation.page
        } else {
            Page::others()
        };
        let key = VitalKey {
            tenant,
            hour,
            page,
            vital: observation.vital,
        };
        let kept = match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) if room > 0 => {
                let pages = self.pages.entry((tenant, hour)).or_default();
                pages.insert(place.key().page.clone());
                place.insert(Kept::default())
            }
            Entry::Vacant(_) => {
                self.lost += 1;
                return false;
            }
        };
        kept.is_written = false;
        kept.vital.sketch.note(observation.value);
        if let Some(request_id) = observation.request_id
            && kept.vital.is_slower(observation.value)
        {
            let nothing_known = || SlowestView {
                value: observation.value,
                request_id: request_id.clone(),
                trace_id: None,
                server_time: None,
            };
            let slowest = look(&request_id).unwrap_or_else(nothing_known);
            kept.vital.slowest = Some(SlowestView {
                value: observation.value,
                ..slowest
            });
        }
        true
    }

    /// What is to be written down.
    pub fn unwritten(&self) -> Vec<(VitalKey, PageVital)> {
        let unwritten = self.known.iter().filter(|(_, kept)| !kept.is_written);
        let mut all: Vec<_> = unwritten
            .map(|(key, kept)| (key.clone(), kept.vital.clone()))
            .collect();
        // In one order, so that processes that write at once wait for each other and never in a ring.
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        all
    }

    /// Takes note that it was, and forgets hours that are over.
    pub fn note_written(&mut self, written: &[(VitalKey, PageVital)], now: OffsetDateTime) {
        for (key, as_written) in written {
            if let Some(kept) = self.known.get_mut(key) {
                // More may have come meanwhile.
                kept.is_written = kept.vital.sketch.count() == as_written.sketch.count();
            }
        }
        let hour = Grain::Hour.beginning(now);
        self.known
            .retain(|key, kept| key.hour >= hour || !kept.is_written);
        let known: BTreeSet<_> = self.known.keys().map(|key| (key.tenant, key.hour)).collect();
        self.pages.retain(|of, _| known.contains(of));
    }

    /// Of all tenants, since the start.
    pub fn all(&self) -> &BTreeMap<(Vital, Page), LatencySketch> {
        &self.all
    }

    /// Observations that there was no room for, since the start.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn note_for_all(&mut self, observation: &Observation) {
        let has_place = self.all_pages.contains(&observation.page) || self.all_pages.len() < MOST_PAGES;
        let page = if has_place {
            self.all_pages.insert(observation.page.clone());
            observation.page.clone()
        } else {
            Page::others()
        };
        let sketch = self.all.entry((observation.vital, page)).or_default();
        sketch.note(observation.value);
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::Id;

    const TEN: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn view(page: &str, millis: f64, request: Option<&str>) -> Observation {
        Observation {
            page: Page::parse(page).unwrap(),
            vital: Vital::Lcp,
            value: Vital::Lcp.measured(millis).unwrap(),
            request_id: request.map(Into::into),
        }
    }

    fn unknown(_: &str) -> Option<SlowestView> {
        None
    }

    #[test]
    fn what_is_known_of_an_hour_is_written_until_it_is_over_and_forgotten_then() {
        let mut meters = VitalMeters::default();
        for minute in [1, 2] {
            let at = TEN + time::Duration::minutes(minute);
            assert!(meters.note(tenant(1), at, view("/leads", 900.0, None), unknown));
        }
        let first = meters.unwritten();
        assert_eq!(
            (first.len(), first[0].0.hour, first[0].1.sketch.count()),
            (1, TEN, 2)
        );
        meters.note(tenant(1), TEN, view("/leads", 700.0, None), unknown);

        // One came while it was written: it is owed, although the hour is over.
        meters.note_written(&first, TEN + time::Duration::HOUR);
        let second = meters.unwritten();
        assert_eq!(second[0].1.sketch.count(), 3);
        meters.note_written(&second, TEN + time::Duration::HOUR);

        assert!(meters.unwritten().is_empty() && meters.known.is_empty() && meters.pages.is_empty());
        assert_eq!(meters.all().values().map(LatencySketch::count).sum::<u64>(), 3);
    }

    #[test]
    fn the_slowest_view_that_names_its_request_is_joined_with_what_is_known_of_that() {
        let mut meters = VitalMeters::default();
        let mut asked = Vec::new();
        for (millis, request) in [(800.0, "a"), (2_000.0, "b"), (1_000.0, "c")] {
            meters.note(tenant(1), TEN, view("/", millis, Some(request)), |id| {
                asked.push(id.to_owned());
                Some(SlowestView {
                    value: std::time::Duration::ZERO,
                    request_id: id.into(),
                    trace_id: Some("trace".into()),
                    server_time: None,
                })
            });
        }
        meters.note(tenant(1), TEN, view("/", 9_000.0, None), unknown);

        let slowest = meters.unwritten()[0].1.slowest.clone().unwrap();

        assert_eq!(
            (&*slowest.request_id, slowest.trace_id.as_deref()),
            ("b", Some("trace"))
        );
        assert_eq!(slowest.value, std::time::Duration::from_secs(2));
        assert_eq!(asked, ["a", "b"]);
    }

    #[test]
    fn whatever_is_told_takes_so_much_memory_and_no_more() {
        let mut meters = VitalMeters::default();
        for page in 0..200 {
            let page = format!("/page-{}", "x".repeat(page % 30) + &"y".repeat(page / 30));
            assert!(meters.note(tenant(1), TEN, view(&page, 1.0, None), unknown));
        }
        let of_one = meters.unwritten();
        assert_eq!(of_one.len(), MOST_PAGES + 1);
        let others = of_one.iter().find(|(key, _)| key.page == Page::others()).unwrap();
        assert_eq!(others.1.sketch.count(), 200 - MOST_PAGES as u64);

        let room: usize = (2..10_000)
            .filter(|number| meters.note(tenant(*number), TEN, view("/", 1.0, None), unknown))
            .count();

        assert_eq!(meters.unwritten().len(), MOST_SERIES);
        assert_eq!(
            (room, meters.lost()),
            (MOST_SERIES - of_one.len(), 9_998 - room as u64)
        );
        assert_eq!(meters.all().len(), MOST_PAGES + 1);
    }
}
