//! Keeps a file as the input of an operation, part by part as it arrives.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Payload;
use fairlead_domain::Id;
use fairlead_domain::access::{ImportLeads, Permit};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::leads::RawLead;
use fairlead_domain::leads::import::{self, Columns, PartWriter};
use fairlead_domain::operations::{OperationKind, make_sure_of_place, make_sure_of_room};
use fairlead_domain::store::{Store, StoreError};

use super::file::{File, Rows};
use super::kept::KeptParts;
use super::run::Options;
use crate::idempotency::{IdempotencyKey, WriteAnswer, replay};
use crate::json::request_digest;
use crate::problem::{Kind, Problem};
use crate::routes::operations::{self, OperationView};

/// The most that is kept of one file, in bytes of its rows as JSON.
pub(in crate::routes) const MAX_UPLOAD_BYTES: u64 = 1 << 30;

/// A file that is to be imported in the background.
pub(super) struct Upload<'u> {
    pub(super) store: Arc<dyn Store>,
    pub(super) permit: &'u Permit<ImportLeads>,
    pub(super) key: &'u IdempotencyKey,
    pub(super) options: Options,
}

impl Upload<'_> {
    /// Reads the whole file, then queues the operation that imports it. A file that cannot be read, or breaks off, leaves
    /// nothing behind; nor does one that was sent before under the same key, of which the operation is told.
    pub(super) async fn take(self, request: &HttpRequest, payload: Payload) -> Result<WriteAnswer, Problem> {
        let (permit, key) = (self.permit, self.key);
        let mut file = if key.is_given() {
            File::digested(payload, request_digest(request))
        } else {
            File::new(payload)
        };
        let mut uow = self.store.begin_behind(permit.scope()).await?;
        if let Some(answer) = key.find(&mut *uow, permit.actor()).await? {
            drop(uow);
            file.pass_over().await?;
            return replay(answer, &file.into_digest());
        }
        // Before anything is read: a client that cannot have an operation need not send its file.
        make_sure_of_place(&mut *uow, OperationKind::ImportLeads).await?;
        make_sure_of_room(&mut *uow, OperationKind::ImportLeads, 1).await?;
        let operation = Id::from_uuid(uow.next_id());
        drop(uow);

        let mut parts = Parts {
            kept: KeptParts::new(Arc::clone(&self.store), permit.scope().clone(), operation),
            writer: PartWriter::default(),
            rows: 0,
            bytes: 0,
        };
        file.read(self.options.format, &mut parts).await?;
        parts.keep().await?;
        self.queue(parts, &file.into_digest()).await
    }

    async fn queue(&self, mut parts: Parts, request_hash: &[u8]) -> Result<WriteAnswer, Problem> {
        let (permit, key) = (self.permit, self.key);
        let mut uow = self.store.begin(permit.scope()).await?;
        if let Some(answer) = key.claim(&mut *uow, permit.actor(), request_hash).await? {
            return Ok(answer);
        }
        let upload = import::Upload {
            operation: parts.kept.operation(),
            rows: parts.rows,
            parts: parts.kept.count(),
            duplicates: self.options.duplicates,
        };
        let operation = import::begin(&mut *uow, permit, &upload).await?;
        let answer = WriteAnswer::accepted(operations::COLLECTION, &OperationView::from(&operation));
        key.keep(&mut *uow, permit.actor(), &answer).await?;
        // From here on they may be the operation's, also where nobody is left to hear of the commit.
        parts.kept.release();
        match uow.commit().await {
            Ok(_) => Ok(answer),
            Err(error) => {
                if !matches!(error, StoreError::InDoubt(_)) {
                    parts.kept.take_back();
                }
                Err(error.into())
            }
        }
    }
}

/// The rows of a file, put into parts.
struct Parts {
    kept: KeptParts,
    writer: PartWriter,
    rows: u64,
    bytes: u64,
}

impl Rows for Parts {
    type Stop = Problem;

    async fn columns(&mut self, _: &Columns) -> Result<(), Problem> {
        Ok(())
    }

    async fn take(&mut self, line: u64, row: Result<RawLead, Invalid>) -> Result<(), Problem> {
        self.rows += 1;
        self.writer.add(line, row);
        if self.writer.is_full() {
            self.keep().await?;
        }
        Ok(())
    }
}

impl Parts {
    /// Keeps the rows that have come since the last time. Each time in a transaction of its own: one that was open for
    /// as long as an upload takes would hold back the readers of events.
    async fn keep(&mut self) -> Result<(), Problem> {
        let Some(content) = self.writer.take() else {
            return Ok(());
        };
        self.bytes += content.len() as u64;
        if self.bytes > MAX_UPLOAD_BYTES {
            return Err(Problem::client(
                Kind::BodyTooLarge,
                format!(
                    "the rows of the file must not have more than {MAX_UPLOAD_BYTES} bytes as JSON; part it"
                ),
            ));
        }
        let mut uow = self.kept.begin().await?;
        make_sure_of_room(&mut *uow, OperationKind::ImportLeads, content.len() as u64).await?;
        self.kept.add(uow, &content).await?;
        Ok(())
    }
}
