//! Which messages of other processes have been missed.

use std::collections::{BTreeSet, HashMap};

/// Messages that came before earlier ones; more than these are not waited for.
const MOST_EARLY: usize = 1_024;
/// Processes that are listened to; what a thousand others have not been able to say for long is forgotten.
const MOST_PEERS: usize = 1_024;

/// How far each process has been heard.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    peers: HashMap<u64, Peer>,
}

#[derive(Debug, Default)]
struct Peer {
    /// All up to here have been heard.
    heard: u64,
    /// Heard, though something before them was not yet.
    early: BTreeSet<u64>,
}

impl Peers {
    /// Takes note of message `sequence` of `node`; returns whether all of its earlier ones have been heard, too.
    /// Messages of one process may overtake each other.
    pub(crate) fn hear(&mut self, node: u64, sequence: u64) -> bool {
        if self.peers.len() >= MOST_PEERS && !self.peers.contains_key(&node) {
            self.peers.clear();
        }
        let peer = self.peers.entry(node).or_default();
        if sequence > peer.heard && peer.early.len() < MOST_EARLY {
            peer.early.insert(sequence);
        }
        while peer.early.remove(&(peer.heard + 1)) {
            peer.heard += 1;
        }
        peer.heard >= sequence
    }

    /// `node` says that all up to `sequence` was sent before this. Returns whether something of it was missed; it is
    /// told once.
    pub(crate) fn has_missed(&mut self, node: u64, sequence: u64) -> bool {
        let peer = self.peers.entry(node).or_default();
        if peer.heard >= sequence {
            return false;
        }
        peer.heard = sequence;
        peer.early.retain(|early| *early > sequence);
        while peer.early.remove(&(peer.heard + 1)) {
            peer.heard += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_may_overtake_each_other_but_not_a_heartbeat() {
        let mut peers = Peers::default();
        assert!(!peers.hear(7, 2), "the first is missing");
        assert!(peers.hear(7, 1));
        assert!(!peers.hear(7, 4));

        assert!(!peers.has_missed(7, 2));
        assert!(peers.has_missed(7, 4), "the third was missed");
        assert!(!peers.has_missed(7, 4), "it is told once");
        peers.hear(7, 5);
        assert!(!peers.has_missed(7, 5));
    }

    #[test]
    fn the_first_word_of_a_process_that_has_spoken_before_tells_of_a_gap() {
        let mut peers = Peers::default();

        assert!(!peers.has_missed(1, 0), "it has said nothing yet");
        assert!(peers.has_missed(2, 9));
        peers.hear(3, 9);
        assert!(peers.has_missed(3, 9));
    }
}
