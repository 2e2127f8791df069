use std::collections::HashMap;
use std::hash::Hash;

/// Those that are counted most often, among any number.
///
/// Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
/// 2005): one that is new takes the place, and the count, of the least. So memory is constant, and none is missed that
/// makes up more than a `capacity`-th of all.
#[derive(Clone, Debug)]
pub struct Frequent<K> {
    capacity: usize,
    counts: HashMap<K, u64>,
}

impl<K: Copy + Eq + Hash> Frequent<K> {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            counts: HashMap::with_capacity(capacity),
        }
    }

    pub fn count(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return;
        }
        let mut before = 0;
        if self.counts.len() >= self.capacity
            && let Some((least, count)) = self.counts.iter().min_by_key(|(_, count)| **count)
        {
            before = *count;
            let least = *least;
            self.counts.remove(&least);
        }
        self.counts.insert(key, before + 1);
    }

    /// The first `number`, most first. A count may be too high by that of the least.
    pub fn top(&self, number: usize) -> Vec<(K, u64)> {
        let mut top: Vec<_> = self.counts.iter().map(|(key, count)| (*key, *count)).collect();
        top.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        top.truncate(number);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_counted_most_stay_in_sight_among_many_others() {
        let mut frequent = Frequent::new(16);
        for number in 0..10_000 {
            frequent.count(number + 10);
            frequent.count(number % 3);
        }

        let mut top: Vec<_> = frequent.top(3).into_iter().map(|(key, _)| key).collect();
        top.sort_unstable();

        assert_eq!(top, [0, 1, 2]);
        assert_eq!(frequent.top(100).len(), 16);
    }
}
