use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of this thread's own, counted from 0 in the order in which threads asked: to spread over several places what
/// threads would else meet at.
pub fn turn_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    OWN.get()
}
