//! Operations (`rows`: what they are read from), what they still have to work off (`inputs`), and the files they write
//! (`outputs`).

mod inputs;
mod outputs;
mod rows;

use async_trait::async_trait;
use fairlead_domain::operations::{
    MAX_FAULTS, NewOperation, Operation, OperationId, OperationKind, OperationState, OperationStory,
    Operations, RowFault,
};
use fairlead_domain::paging::{Page, Paging, Position, SortKey, Start};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::error::{SqlError, corrupt, unexpected};
use crate::rows::FromRow as _;
use crate::store::PgUnitOfWork;
pub(crate) use inputs::DROP_BATCH;
use rows::Logged;
pub(crate) use rows::{columns, log_with};

// Nothing where parts are missing. Those that are counted are locked, so housekeeping, which takes away what nobody has
// added to for long, passes them over until the operation is there.
const INSERT: &str = "
    INSERT INTO operations (tenant_id, id, kind, total, created_by, request)
    SELECT $1, $2, $3, $4, $5, $7::text::jsonb
    WHERE (SELECT COUNT(*) FROM (
               SELECT FROM operation_inputs WHERE tenant_id = $1 AND operation_id = $2 FOR KEY SHARE) AS parts) = $6";

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    ", log::text FROM operations WHERE tenant_id = $1 AND id = $2 AND kind = ANY ($3)"
);

const FAULTS: &str = "
    SELECT line, field, reason FROM operation_faults WHERE tenant_id = $1 AND operation_id = $2 ORDER BY number";

const LOOK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM operations WHERE tenant_id = $1 AND id = $2 AND kind = ANY ($3)"
);

const REQUEST: &str = "SELECT request::text FROM operations WHERE tenant_id = $1 AND id = $2";

const KEPT_INPUT: &str =
    "SELECT COALESCE(SUM(size_bytes), 0)::bigint FROM operation_inputs WHERE tenant_id = $1";

const KEPT_OUTPUT: &str =
    "SELECT COALESCE(SUM(size_bytes), 0)::bigint FROM operation_outputs WHERE tenant_id = $1";

const COURSE: &str = "SELECT state, cancel_requested FROM operations WHERE tenant_id = $1 AND id = $2";

const FIND_FOR_UPDATE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM operations WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
);

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM operations WHERE tenant_id = $1 AND kind = ANY ($3)
      ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $4"
);

const LIST_BEYOND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM operations WHERE tenant_id = $1 AND kind = ANY ($3) AND (created_at, id) < ($4, $5)
      ORDER BY created_at DESC, id DESC LIMIT $2"
);

const COUNT: &str = "SELECT COUNT(*) FROM operations WHERE tenant_id = $1 AND kind = ANY ($2)";

const COUNT_OPEN: &str =
    "SELECT COUNT(*) FROM operations WHERE tenant_id = $1 AND kind = $2 AND finished_at IS NULL";

// Nothing that is large is written again.
const ADVANCE: &str = "
    UPDATE operations
    SET done = $3, total = $8, successful = $4, skipped = $5, failed = $6, faults = $7, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2";

const ADD_FAULTS: &str = "
    INSERT INTO operation_faults (tenant_id, id, operation_id, number, line, field, reason)
    SELECT $1, f.id, $2, $3 + f.number - 1, f.line, f.field, f.reason
    FROM unnest($4::uuid[], $5::bigint[], $6::text[], $7::text[]) WITH ORDINALITY
         AS f (id, line, field, reason, number)";

const CHANGE: &str = concat!(
    "UPDATE operations
     SET state = $3, cancel_requested = $4, error = $5, total = $7, log = ",
    log_with!("$6::text"),
    ",
         started_at = CASE WHEN $3 = 'running' THEN COALESCE(started_at, clock_timestamp()) ELSE started_at END,
         finished_at = CASE WHEN $3 IN ('completed', 'failed', 'cancelled') THEN clock_timestamp() END,
         updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND id = $2
     RETURNING ",
    columns!()
);

#[async_trait]
impl Operations for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.operations.insert", skip_all)]
    async fn insert(&mut self, operation: &NewOperation) -> Result<bool, StoreError> {
        let total = operation.total.map(stored).transpose()?;
        let inserted = self
            .connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(operation.id.as_uuid())
            .bind(operation.kind.as_str())
            .bind(total)
            .bind(operation.created_by.to_string())
            .bind(i64::from(operation.parts))
            .bind(operation.request.as_deref())
            .execute()
            .await?;
        Ok(inserted == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.operations.find", skip_all)]
    async fn find(
        &mut self,
        id: OperationId,
        kinds: &[OperationKind],
    ) -> Result<Option<OperationStory>, StoreError> {
        let found = self
            .connection
            .sql(FIND)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(names(kinds))
            .fetch_optional()
            .await?;
        let Some(row) = found else { return Ok(None) };
        let Logged { operation, log } = Logged::from_row(&row)?;
        let faults = if operation.record().faults == 0 {
            Vec::new()
        } else {
            let rows = self
                .connection
                .sql(FAULTS)
                .bind(self.tenant_id())
                .bind(id.as_uuid())
                .fetch_all()
                .await?;
            rows.iter().map(RowFault::from_row).collect::<Result<_, _>>()?
        };
        Ok(Some(OperationStory {
            operation,
            log,
            faults,
        }))
    }

    #[tracing::instrument(level = "debug", name = "db.operations.look", skip_all)]
    async fn look(
        &mut self,
        id: OperationId,
        kinds: &[OperationKind],
    ) -> Result<Option<Operation>, StoreError> {
        let found = self
            .connection
            .sql(LOOK)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(names(kinds))
            .fetch_optional()
            .await?;
        Ok(found.as_ref().map(Operation::from_row).transpose()?)
    }

    #[tracing::instrument(level = "debug", name = "db.operations.request", skip_all)]
    async fn request(&mut self, id: OperationId) -> Result<Option<String>, StoreError> {
        let found = self
            .connection
            .sql(REQUEST)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let request = found.map(|row| row.try_get(0)).transpose();
        Ok(request.map_err(SqlError::from)?.flatten())
    }

    #[tracing::instrument(level = "debug", name = "db.operations.course", skip_all)]
    async fn course(&mut self, id: OperationId) -> Result<Option<(OperationState, bool)>, StoreError> {
        let found = self
            .connection
            .sql(COURSE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let Some(row) = found else { return Ok(None) };
        let state: &str = row.try_get(0).map_err(SqlError::from)?;
        let state = OperationState::parse(state)
            .ok_or_else(|| corrupt("operations", id.as_uuid(), "unknown state"))?;
        Ok(Some((state, row.try_get(1).map_err(SqlError::from)?)))
    }

    #[tracing::instrument(level = "debug", name = "db.operations.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        let found = self
            .connection
            .sql(FIND_FOR_UPDATE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        Ok(found.as_ref().map(Operation::from_row).transpose()?)
    }

    #[tracing::instrument(level = "debug", name = "db.operations.list", skip_all)]
    async fn list(
        &mut self,
        kinds: &[OperationKind],
        paging: &Paging,
    ) -> Result<Page<Operation>, StoreError> {
        // One more than wanted tells whether there are more.
        let limit = i64::from(paging.limit) + 1;
        let (tenant, kinds) = (self.tenant_id(), names(kinds));
        let sql = |text| self.connection.sql(text).bind(tenant);
        let (select, total) = match paging.start {
            Start::After(None) => (sql(LIST).bind(limit).bind(kinds).bind(0_i64), None),
            Start::After(Some(Position {
                key: SortKey::Time(created_at),
                id,
            })) => (
                sql(LIST_BEYOND).bind(limit).bind(kinds).bind(created_at).bind(id),
                None,
            ),
            Start::After(Some(_)) => return Err(unexpected("operations are sorted by time")),
            Start::Page(number) => {
                let offset = i64::from(number) * i64::from(paging.limit);
                let counted = sql(COUNT).bind(kinds.clone()).fetch_one().await?;
                let total: i64 = counted.try_get(0).map_err(SqlError::from)?;
                let page = sql(LIST).bind(limit).bind(kinds).bind(offset);
                (page, Some(total.unsigned_abs()))
            }
        };
        let rows = select.fetch_all().await?;
        let rows = rows.iter().map(Operation::from_row).collect::<Result<_, _>>()?;
        let mut page = Page::from_rows(rows, paging.limit, |operation: &Operation| Position {
            key: SortKey::Time(operation.record().created_at),
            id: operation.id().as_uuid(),
        });
        page.total = total;
        Ok(page)
    }

    #[tracing::instrument(level = "debug", name = "db.operations.count_open", skip_all)]
    async fn count_open(&mut self, kind: OperationKind) -> Result<u64, StoreError> {
        let row = self
            .connection
            .sql(COUNT_OPEN)
            .bind(self.tenant_id())
            .bind(kind.as_str())
            .fetch_one()
            .await?;
        Ok(row.try_get::<i64>(0).map_err(SqlError::from)?.unsigned_abs())
    }

    #[tracing::instrument(level = "debug", name = "db.operations.advance", skip_all)]
    async fn advance(
        &mut self,
        operation: &Operation,
        faults: &[RowFault],
        before: u64,
    ) -> Result<(), StoreError> {
        let record = operation.record();
        let kept = usize::try_from(before).unwrap_or(usize::MAX);
        let faults = &faults[..faults.len().min(MAX_FAULTS.saturating_sub(kept))];
        if !faults.is_empty() {
            let ids: Vec<Uuid> = faults.iter().map(|_| self.ids.next()).collect();
            let lines: Result<Vec<i64>, _> = faults.iter().map(|fault| stored(fault.line)).collect();
            self.connection
                .sql(ADD_FAULTS)
                .bind(self.tenant_id())
                .bind(record.id.as_uuid())
                .bind(stored(before)?)
                .bind(ids)
                .bind(lines?)
                .bind(faults.iter().map(|fault| &*fault.field).collect::<Vec<_>>())
                .bind(faults.iter().map(|fault| &*fault.reason).collect::<Vec<_>>())
                .enqueue()
                .await?;
        }
        self.connection
            .sql(ADVANCE)
            .bind(self.tenant_id())
            .bind(record.id.as_uuid())
            .bind(stored(record.done)?)
            .bind(stored(record.tally.successful)?)
            .bind(stored(record.tally.skipped)?)
            .bind(stored(record.tally.failed)?)
            .bind(stored(record.faults)?)
            .bind(record.total.map(stored).transpose()?)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.operations.change", skip_all)]
    async fn change(&mut self, operation: &Operation, line: &str) -> Result<Operation, StoreError> {
        let record = operation.record();
        let row = self
            .connection
            .sql(CHANGE)
            .bind(self.tenant_id())
            .bind(record.id.as_uuid())
            .bind(record.state.as_str())
            .bind(record.cancel_requested)
            .bind(record.error.as_deref())
            .bind(line)
            .bind(record.total.map(stored).transpose()?)
            .fetch_one()
            .await?;
        Ok(Operation::from_row(&row)?)
    }

    #[tracing::instrument(level = "debug", name = "db.operations.kept_bytes", skip_all)]
    async fn kept_bytes(&mut self, kind: OperationKind) -> Result<u64, StoreError> {
        let sql = match kind {
            OperationKind::ImportLeads => KEPT_INPUT,
            OperationKind::ExportLeads => KEPT_OUTPUT,
            // What was asked for is bounded, and goes with the operation.
            OperationKind::ScoreLeads => return Ok(0),
        };
        let row = self
            .connection
            .sql(sql)
            .bind(self.tenant_id())
            .fetch_one()
            .await?;
        Ok(row.try_get::<i64>(0).map_err(SqlError::from)?.unsigned_abs())
    }

    #[tracing::instrument(level = "debug", name = "db.operations.add_input", skip_all)]
    async fn add_input(&mut self, id: OperationId, number: u32, content: &[u8]) -> Result<(), StoreError> {
        let row = self.ids.next();
        inputs::add(&self.connection, self.tenant_id(), row, id, number, content).await
    }

    #[tracing::instrument(level = "debug", name = "db.operations.take_input", skip_all)]
    async fn take_input(&mut self, id: OperationId) -> Result<Option<Vec<u8>>, StoreError> {
        inputs::take(&self.connection, self.tenant_id(), id).await
    }

    #[tracing::instrument(level = "debug", name = "db.operations.has_input", skip_all)]
    async fn has_input(&mut self, id: OperationId) -> Result<bool, StoreError> {
        inputs::are_left(&self.connection, self.tenant_id(), id).await
    }

    #[tracing::instrument(level = "debug", name = "db.operations.drop_input", skip_all)]
    async fn drop_input(&mut self, id: OperationId) -> Result<bool, StoreError> {
        inputs::drop_some(&self.connection, self.tenant_id(), id).await
    }
}

fn names(kinds: &[OperationKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

fn stored(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| unexpected("a count beyond the range of its column"))
}
