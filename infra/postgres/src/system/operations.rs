//! What becomes of operations that nobody does any more.

use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::access::Actor;
use fairlead_domain::events::Source;
use fairlead_domain::jobs::Queue;
use fairlead_domain::operations::{Operation, OperationKind, RESULT_FOR, RETRY_FOR, snapshot};
use fairlead_domain::store::{StoreError, SystemUnitOfWork as _};
use uuid::Uuid;

use super::PgSystemStore;
use crate::error::SqlError;
use crate::operations::{DROP_BATCH, columns, log_with};
use crate::rows::FromRow as _;
use crate::statement::milliseconds;

/// Operations per statement. Each may have a thousand faults.
const BATCH: i64 = 50;
/// An upload to which nothing was added for so long has broken off.
const BROKEN_OFF_AFTER: Duration = Duration::from_hours(1);
/// How long a file is kept that cannot be fetched any more: for those who are about to.
const LAST_FETCH: Duration = Duration::from_hours(1);
/// How long an operation is kept that has ended.
const ENDED_FOR: Duration = Duration::from_hours(30 * 24);

// Those that have not ended and have no job any more: their last process ended before it could note that. Operations of a
// kind that this release does not know are left to those that do.
const ABANDONED: &str = concat!(
    "SELECT tenant_id, ",
    columns!(),
    " FROM operations
      WHERE finished_at IS NULL AND kind = ANY ($2::text[]) AND NOT EXISTS (
          SELECT FROM jobs AS j
          WHERE j.tenant_id = operations.tenant_id
            AND j.queue = ($3::text[])[array_position($2::text[], operations.kind)]
            AND j.unique_key = operations.id::text AND j.state IN ('delayed', 'waiting', 'active'))
      LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
);

const GIVE_UP: &str = concat!(
    "UPDATE operations
     SET state = $3, error = $4, finished_at = clock_timestamp(), updated_at = clock_timestamp(), log = ",
    log_with!("'given up behind row ' || done"),
    "
     WHERE tenant_id = $1 AND id = $2"
);

// Of uploads that broke off, and of operations that have ended. What is locked is about to be taken by its operation.
const CLEAR_INPUTS: &str = "
    DELETE FROM operation_inputs
    WHERE ctid = ANY (ARRAY(
        SELECT i.ctid FROM operation_inputs AS i
        LEFT JOIN operations AS o ON o.tenant_id = i.tenant_id AND o.id = i.operation_id
        WHERE CASE
            WHEN o.state = 'failed' THEN o.finished_at < now() - $3 * interval '1 millisecond'
            WHEN o.id IS NOT NULL THEN o.finished_at IS NOT NULL
            ELSE i.created_at < now() - $2 * interval '1 millisecond' AND NOT EXISTS (
                SELECT FROM operation_inputs AS newer
                WHERE newer.tenant_id = i.tenant_id AND newer.operation_id = i.operation_id
                  AND newer.created_at >= now() - $2 * interval '1 millisecond')
            END
        LIMIT $1 FOR UPDATE OF i SKIP LOCKED))";

// Of one operation at a time, whose row is locked so that nobody takes it up again meanwhile. From the end of the file, so
// what is found by its first part is found until all of it is gone.
const CLEAR_OUTPUTS: &str = "
    WITH one AS (
        SELECT o.tenant_id, o.id FROM operation_outputs AS p
        JOIN operations AS o ON o.tenant_id = p.tenant_id AND o.id = p.operation_id
        WHERE p.number = 0
          AND CASE o.state
                  WHEN 'completed' THEN o.finished_at < now() - $2 * interval '1 millisecond'
                  WHEN 'failed' THEN o.finished_at < now() - $3 * interval '1 millisecond'
                  ELSE o.finished_at IS NOT NULL
              END
        LIMIT 1 FOR NO KEY UPDATE OF o SKIP LOCKED)
    DELETE FROM operation_outputs
    WHERE ctid = ANY (ARRAY(
        SELECT p.ctid FROM operation_outputs AS p JOIN one ON p.tenant_id = one.tenant_id AND p.operation_id = one.id
        ORDER BY p.number DESC LIMIT $1 FOR UPDATE OF p SKIP LOCKED))";

const CLEAR_ENDED: &str = "
    DELETE FROM operations
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM operations WHERE finished_at < now() - $2 * interval '1 millisecond'
        LIMIT $1 FOR UPDATE SKIP LOCKED))";

impl PgSystemStore {
    pub(super) async fn clear_operations(&self) -> Result<(), StoreError> {
        while self.give_up_abandoned().await? {}
        loop {
            let connection = self.cluster.system();
            let cleared = connection
                .sql(CLEAR_INPUTS)
                .bind(DROP_BATCH)
                .bind(milliseconds(BROKEN_OFF_AFTER))
                .bind(milliseconds(RETRY_FOR.unsigned_abs()))
                .execute()
                .await?;
            connection.commit().await?;
            if cleared < DROP_BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let connection = self.cluster.system();
            let cleared = connection
                .sql(CLEAR_OUTPUTS)
                .bind(DROP_BATCH)
                .bind(milliseconds(RESULT_FOR.unsigned_abs() + LAST_FETCH))
                .bind(milliseconds(RETRY_FOR.unsigned_abs()))
                .execute()
                .await?;
            connection.commit().await?;
            if cleared == 0 {
                break;
            }
        }
        loop {
            let connection = self.cluster.system();
            let sql = connection.sql(CLEAR_ENDED).bind(BATCH);
            let cleared = sql.bind(milliseconds(ENDED_FOR)).execute().await?;
            connection.commit().await?;
            if cleared < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Gives some operations up that nobody does any more; returns whether there may be more.
    async fn give_up_abandoned(&self) -> Result<bool, StoreError> {
        let mut uow = Box::new(self.unit_of_work());
        let (kinds, queues): (Vec<&str>, Vec<&str>) = OperationKind::ALL
            .map(|kind| (kind.as_str(), Queue::as_str(kind.queue())))
            .into_iter()
            .unzip();
        let sql = uow.connection.sql(ABANDONED).bind(BATCH);
        let rows = sql.bind(kinds).bind(queues).fetch_all().await?;
        for row in &rows {
            let mut columns = row.columns();
            let tenant: Uuid = columns.take().map_err(SqlError::from)?;
            let before = Operation::from_columns(&mut columns)?;
            let why = "it was interrupted too often; what was done until then is there";
            let Ok(after) = before.clone().give_up(why) else {
                continue;
            };
            let record = after.record();
            uow.connection
                .sql(GIVE_UP)
                .bind(tenant)
                .bind(record.id.as_uuid())
                .bind(record.state.as_str())
                .bind(record.error.as_deref())
                .enqueue()
                .await?;
            let recorded = snapshot::ended(&before, &after, Actor::System).by(Source::System);
            uow.record(Id::from_uuid(tenant), recorded);
        }
        uow.commit().await?;
        Ok(rows.len() as u64 == BATCH.unsigned_abs())
    }
}
