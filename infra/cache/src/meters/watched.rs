use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use crate::memory::MemoryKey;

/// How many keys are watched at a time.
pub(super) const WATCHED: usize = 256;

/// The keys that weigh most, and what is counted of each.
///
/// Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
/// 2005): a key that is new takes the place, and the weight, of the least. So memory is constant, and no key that
/// weighs more than a 256th of all is missed.
#[derive(Debug, Default)]
pub(crate) struct Watched<C>(Mutex<HashMap<Arc<MemoryKey>, C>>);

/// What is counted of a key.
pub(crate) trait Count: Copy + Debug + Default {
    type Weight: Ord;

    fn add(&mut self, more: Self);

    /// By what the keys are ordered: what is counted, and what came with the key's place.
    fn weight(self) -> Self::Weight;

    /// The count of a key that has nothing but the place of another, which weighed so much.
    fn in_place_of(weight: Self::Weight) -> Self;
}

impl<C: Count> Watched<C> {
    pub(crate) fn add(&self, key: &Arc<MemoryKey>, more: C) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get_mut(key) {
            known.add(more);
            return;
        }
        let mut count = C::default();
        if watched.len() >= WATCHED {
            let least = watched.iter().min_by_key(|(_, known)| known.weight());
            if let Some((least, weight)) = least.map(|(least, known)| (Arc::clone(least), known.weight())) {
                count = C::in_place_of(weight);
                watched.remove(&least);
            }
        }
        count.add(more);
        watched.insert(Arc::clone(key), count);
    }

    /// The first `count`, the heaviest first.
    pub(crate) fn top(&self, count: usize) -> Vec<(Arc<MemoryKey>, C)> {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut top: Vec<_> = watched
            .iter()
            .map(|(key, count)| (Arc::clone(key), *count))
            .collect();
        drop(watched);
        top.sort_by_key(|(_, count)| Reverse(count.weight()));
        top.truncate(count);
        top
    }
}
