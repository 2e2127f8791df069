//! The memory in which passwords are hashed.
//!
//! It is kept and used again. Given back to the allocator, it would stay with the arena of the thread that happened to
//! do the work, and a process with many threads would come to hold that much for each of them.

use std::collections::TryReserveError;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Block;

use super::argon::OUR_BLOCKS;

/// Memory that nobody uses at the moment.
#[derive(Default)]
pub(super) struct IdleMemory(Mutex<Vec<Vec<Block>>>);

impl IdleMemory {
    /// Lends a piece that is idle, or else a new one, which takes nothing until blocks are asked of it.
    pub(super) fn lend(idle: &Arc<Self>) -> LentMemory {
        let blocks = idle.pieces(Vec::pop).unwrap_or_default();
        LentMemory {
            blocks,
            idle: Arc::clone(idle),
        }
    }

    /// Returns how many blocks each piece has.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.pieces(|pieces| pieces.iter().map(Vec::len).collect())
    }

    fn pieces<T>(&self, on: impl FnOnce(&mut Vec<Vec<Block>>) -> T) -> T {
        on(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        let blocks = std::mem::take(&mut self.blocks);
        self.idle.pieces(|pieces| pieces.push(blocks));
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
