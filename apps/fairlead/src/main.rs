//! The binary; all that it does is in the library, where tests reach it.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    give_memory_back();
    fairlead::cli::main()
}

/// Without a thread of its own the allocator gives back what is free only when it is called, and so keeps what a busy
/// moment took for as long as nothing happens.
fn give_memory_back() {
    // Where there can be none, memory is given back later: nothing to stop for.
    #[cfg(feature = "jemalloc")]
    let _ = tikv_jemalloc_ctl::background_thread::write(true);
}
