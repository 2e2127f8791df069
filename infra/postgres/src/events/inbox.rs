use async_trait::async_trait;
use fairlead_domain::events::{Event, Inbox};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::error::SqlError;
use crate::statement::Xid;
use crate::store::PgUnitOfWork;

// What the consumer's place has passed is done, and may be gone from the inbox: one statement sees the place or the row.
// In one order everywhere, so that two who claim the same events do not wait for each other in a circle.
const CLAIM: &str = "
    INSERT INTO inbox (tenant_id, id, consumer, xid, position, handled_at)
    SELECT $1, e.id, $2, e.xid, e.position, $3
    FROM unnest($4::uuid[], $5::xid8[], $6::bigint[]) AS e (id, xid, position)
    WHERE NOT EXISTS (
        SELECT FROM place_of_reader($2) WHERE (e.xid, e.position) <= (reader_xid, reader_position))
    ORDER BY e.id
    ON CONFLICT ON CONSTRAINT inbox_pkey DO NOTHING
    RETURNING id";

// What is done is not put aside, and may be known by the place alone.
const PUT_ASIDE: &str = "
    INSERT INTO inbox (tenant_id, id, consumer, xid, position, handled_at, fault)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE NOT EXISTS (SELECT FROM place_of_reader($3) WHERE ($4, $5) <= (reader_xid, reader_position))
    ON CONFLICT ON CONSTRAINT inbox_pkey DO NOTHING";

const TAKE_UP: &str = "
    UPDATE inbox SET fault = NULL, handled_at = $4
    WHERE tenant_id = $1 AND id = $2 AND consumer = $3 AND fault IS NOT NULL";

#[async_trait]
impl Inbox for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.inbox.claim", skip_all)]
    async fn claim(&mut self, consumer: &str, events: &[Event]) -> Result<Vec<Uuid>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let xids: Vec<Xid> = events.iter().map(|event| Xid(event.cursor.xid)).collect();
        let positions: Vec<i64> = events.iter().map(|event| event.cursor.position).collect();
        let rows = self
            .connection
            .sql(CLAIM)
            .bind(self.tenant_id())
            .bind(consumer)
            .bind(self.now)
            .bind(ids)
            .bind(xids)
            .bind(positions)
            .fetch_all()
            .await?;
        let claimed = rows.iter().map(|row| row.try_get(0));
        Ok(claimed.collect::<Result<_, _>>().map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.inbox.put_aside", skip_all)]
    async fn put_aside(&mut self, consumer: &str, event: &Event, fault: &str) -> Result<bool, StoreError> {
        let put = self
            .connection
            .sql(PUT_ASIDE)
            .bind(self.tenant_id())
            .bind(event.id)
            .bind(consumer)
            .bind(Xid(event.cursor.xid))
            .bind(event.cursor.position)
            .bind(self.now)
            .bind(fault)
            .execute()
            .await?;
        Ok(put == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.inbox.take_up", skip_all)]
    async fn take_up(&mut self, consumer: &str, event: Uuid) -> Result<bool, StoreError> {
        let taken = self
            .connection
            .sql(TAKE_UP)
            .bind(self.tenant_id())
            .bind(event)
            .bind(consumer)
            .bind(self.now)
            .execute()
            .await?;
        Ok(taken == 1)
    }
}
