use async_trait::async_trait;

use super::{NewOperation, Operation, OperationId, OperationKind, OperationState, OperationStory, RowFault};
use crate::paging::{Page, Paging, Position};
use crate::store::StoreError;

/// The operations of one tenant, and what they still have to work off. Their times are the database's.
#[async_trait]
pub trait Operations: Send {
    /// Queues an operation whose input is there as a whole, and keeps that input from being cleared away; returns
    /// `false`, and queues nothing, where parts are missing.
    async fn insert(&mut self, operation: &NewOperation) -> Result<bool, StoreError>;

    /// One of these kinds, with all that is kept of it.
    async fn find(
        &mut self,
        id: OperationId,
        kinds: &[OperationKind],
    ) -> Result<Option<OperationStory>, StoreError>;

    /// Its state, and whether somebody wants it to stop.
    async fn course(&mut self, id: OperationId) -> Result<Option<(OperationState, bool)>, StoreError>;

    /// An operation, kept from others who would write it.
    async fn find_for_update(&mut self, id: OperationId) -> Result<Option<Operation>, StoreError>;

    /// Those of these kinds, the newest first.
    async fn list(&mut self, kinds: &[OperationKind], paging: &Paging)
    -> Result<Page<Operation>, StoreError>;

    /// How many of a kind are queued or running.
    async fn count_open(&mut self, kind: OperationKind) -> Result<u64, StoreError>;

    /// Writes the progress of one that was found for update, how much there is to do included, and keeps `faults`, of
    /// which there are so many before.
    async fn advance(
        &mut self,
        operation: &Operation,
        faults: &[RowFault],
        before: u64,
    ) -> Result<(), StoreError>;

    /// Writes the state of one that was found for update, and a line in its log; returns it as it is kept. When it was
    /// begun and when it ended follow from the state.
    async fn change(&mut self, operation: &Operation, line: &str) -> Result<Operation, StoreError>;

    /// One of these kinds, without its log and its faults.
    async fn look(
        &mut self,
        id: OperationId,
        kinds: &[OperationKind],
    ) -> Result<Option<Operation>, StoreError>;

    /// What was asked for, as JSON.
    async fn request(&mut self, id: OperationId) -> Result<Option<String>, StoreError>;

    /// How many bytes the tenant keeps for operations of a kind: of imports their input, uploads included, and of exports
    /// their output.
    async fn kept_bytes(&mut self, kind: OperationKind) -> Result<u64, StoreError>;

    /// Keeps a part of the input of an operation that is to be queued; `number` counts from 0.
    async fn add_input(&mut self, id: OperationId, number: u32, content: &[u8]) -> Result<(), StoreError>;

    /// Takes away the first part that is left, and returns it. Waits where somebody else is about to take it, and
    /// returns `None` where that one has it then, and where none is left.
    async fn take_input(&mut self, id: OperationId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether parts are left, those included that somebody else is about to take away.
    async fn has_input(&mut self, id: OperationId) -> Result<bool, StoreError>;

    /// Drops some of the parts that are left; returns whether there may be more. All of a large input together are more
    /// than one statement has time for.
    async fn drop_input(&mut self, id: OperationId) -> Result<bool, StoreError>;
}

/// The files that operations of one tenant write, part by part.
#[async_trait]
pub trait OperationOutputs: Send {
    /// Adds a part behind the last one. Waits where somebody else is about to add one of its number, and returns `false`
    /// where that one has; then nothing was added.
    async fn add(&mut self, id: OperationId, part: &OutputPart<'_>) -> Result<bool, StoreError>;

    /// How far the file is written; `None`: no part is there.
    async fn end(&mut self, id: OperationId) -> Result<Option<OutputEnd>, StoreError>;

    /// A part; `None`: it is not there, or not any more.
    async fn find(&mut self, id: OperationId, number: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// How large the whole is.
    async fn size(&mut self, id: OperationId) -> Result<OutputSize, StoreError>;

    /// Drops some of the parts, the last ones first; returns whether there may be more.
    async fn drop_some(&mut self, id: OperationId) -> Result<bool, StoreError>;
}

/// A part of a file that is written.
#[derive(Clone, Copy, Debug)]
pub struct OutputPart<'p> {
    /// Counted from 0.
    pub number: u32,
    pub content: &'p [u8],
    /// What the next part begins behind; `None`: it is the last one.
    pub next: Option<Position>,
}

/// The last part of a file, as far as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputEnd {
    pub number: u32,
    pub next: Option<Position>,
}

/// How large a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSize {
    pub parts: u32,
    pub bytes: u64,
}
