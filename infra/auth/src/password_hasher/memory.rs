//! The memory in which passwords are hashed.
//!
//! While there is work it is kept and used again: to have the system make that much of it anew costs a tenth of a hash.
//! Once there was none for a while it is given back, for it is most of what an idle process would have.

use std::collections::TryReserveError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Block;

use super::argon::OUR_BLOCKS;

/// Memory that nobody uses at the moment.
pub(super) struct IdleMemory {
    pieces: Mutex<Vec<Piece>>,
    /// How long a piece is kept that nobody uses.
    kept_for: Duration,
    /// Whether somebody will look after the pieces.
    is_watched: AtomicBool,
}

struct Piece {
    blocks: Vec<Block>,
    idle_since: Instant,
}

impl Default for IdleMemory {
    fn default() -> Self {
        Self::kept_for(Duration::from_secs(10))
    }
}

impl IdleMemory {
    pub(super) fn kept_for(kept_for: Duration) -> Self {
        Self {
            pieces: Mutex::default(),
            kept_for,
            is_watched: AtomicBool::new(false),
        }
    }

    /// Lends the piece that was used last, or else a new one, which takes nothing until blocks are asked of it.
    pub(super) fn lend(idle: &Arc<Self>) -> LentMemory {
        let piece = idle.pieces(Vec::pop);
        LentMemory {
            blocks: piece.map(|piece| piece.blocks).unwrap_or_default(),
            idle: Arc::clone(idle),
        }
    }

    /// Sees to it that pieces are given back that nobody uses any more.
    #[expect(
        clippy::disallowed_methods,
        reason = "it outlives the request that happens to be the first to hash"
    )]
    pub(super) fn watch(idle: &Arc<Self>) {
        if idle.is_watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let idle = Arc::clone(idle);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle.kept_for).await;
                let is_watched = idle.pieces(|pieces| {
                    pieces.retain(|piece| piece.idle_since.elapsed() < idle.kept_for);
                    // Told while nobody can add one: whoever does so next asks for a watch of its own.
                    let is_watched = !pieces.is_empty();
                    idle.is_watched.store(is_watched, Ordering::Relaxed);
                    is_watched
                });
                if !is_watched {
                    return;
                }
            }
        });
    }

    /// Returns how many blocks each piece has.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.pieces(|pieces| pieces.iter().map(|piece| piece.blocks.len()).collect())
    }

    fn pieces<T>(&self, on: impl FnOnce(&mut Vec<Piece>) -> T) -> T {
        on(&mut self.pieces.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for IdleMemory {
    /// Without the contents, which come of passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pieces = self.pieces(|pieces| pieces.len());
        formatter
            .debug_struct("IdleMemory")
            .field("pieces", &pieces)
            .finish()
    }
}

/// One piece of memory; dropped, it is idle again.
pub(super) struct LentMemory {
    blocks: Vec<Block>,
    idle: Arc<IdleMemory>,
}

impl LentMemory {
    /// Returns `count` blocks with whatever was left in them: each is written before it is read.
    pub(super) fn blocks(&mut self, count: usize) -> Result<&mut [Block], TryReserveError> {
        if self.blocks.len() < count {
            // What is too small goes first, so that the two are never held together.
            self.blocks = Vec::new();
            self.blocks.try_reserve_exact(count)?;
            self.blocks.resize(count, Block::new());
        }
        Ok(&mut self.blocks[..count])
    }
}

impl Drop for LentMemory {
    fn drop(&mut self) {
        // None was made, or more than our own hashes need.
        if self.blocks.is_empty() || self.blocks.len() > OUR_BLOCKS {
            return;
        }
        let piece = Piece {
            blocks: std::mem::take(&mut self.blocks),
            idle_since: Instant::now(),
        };
        self.idle.pieces(|pieces| pieces.push(piece));
    }
}

impl std::fmt::Debug for LentMemory {
    /// Without the contents, which come of a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LentMemory")
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}
