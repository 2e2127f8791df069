use async_trait::async_trait;
use fairlead_domain::ai::{AiCall, AiLedger, Spent, Tokens};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::SqlError;
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

const SPENT: &str = "
    SELECT COALESCE(SUM(input_tokens), 0)::bigint, COALESCE(SUM(output_tokens), 0)::bigint,
           COALESCE(SUM(cost_micros), 0)::bigint
    FROM ai_calls WHERE tenant_id = $1 AND called_at >= $2";

const RESERVE: &str = "
    INSERT INTO ai_calls (tenant_id, id, purpose, model, input_tokens, output_tokens, cost_micros, called_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const SETTLE: &str = "
    UPDATE ai_calls SET settled = true, input_tokens = $3, output_tokens = $4, cost_micros = $5
    WHERE tenant_id = $1 AND id = $2 AND NOT settled";

#[async_trait]
impl AiLedger for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.ai_calls.spent", skip_all)]
    async fn spent(&mut self, since: OffsetDateTime) -> Result<Spent, StoreError> {
        let row = self
            .connection
            .sql(SPENT)
            .bind(self.tenant_id())
            .bind(since)
            .fetch_one()
            .await?;
        let spent = |row: &Row| -> Result<Spent, Error> {
            let count = |place| -> Result<u64, Error> {
                Ok(u64::try_from(row.try_get::<i64>(place)?).unwrap_or_default())
            };
            Ok(Spent {
                tokens: Tokens {
                    input: count(0)?,
                    output: count(1)?,
                },
                cost_micros: count(2)?,
            })
        };
        Ok(spent(&row).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.ai_calls.reserve", skip_all)]
    async fn reserve(&mut self, call: &AiCall) -> Result<(), StoreError> {
        let [input, output, cost] = columns(call.most);
        self.connection
            .sql(RESERVE)
            .bind(self.tenant_id())
            .bind(call.id)
            .bind(call.purpose)
            .bind(&call.model)
            .bind(input)
            .bind(output)
            .bind(cost)
            .bind(call.at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.ai_calls.settle", skip_all)]
    async fn settle(&mut self, id: Uuid, spent: Spent) -> Result<(), StoreError> {
        let [input, output, cost] = columns(spent);
        self.connection
            .sql(SETTLE)
            .bind(self.tenant_id())
            .bind(id)
            .bind(input)
            .bind(output)
            .bind(cost)
            .enqueue()
            .await
    }
}

/// What a provider says to have taken may be anything; so many of these can still be added up.
const MOST: u64 = 1_000_000_000_000;

fn columns(spent: Spent) -> [i64; 3] {
    [spent.tokens.input, spent.tokens.output, spent.cost_micros]
        .map(|figure| i64::try_from(figure.min(MOST)).expect("it is less than what fits"))
}
