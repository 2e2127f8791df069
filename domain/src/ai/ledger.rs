use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tokens;
use crate::store::{StoreError, UnitOfWork};

/// What the calls of one tenant to models have taken.
#[async_trait]
pub trait AiLedger: Send {
    /// Adds up what has been spent since this moment, with what is reserved.
    async fn spent(&mut self, since: OffsetDateTime) -> Result<Spent, StoreError>;
    /// Writes a call down that is about to be made, with the most that it may take.
    async fn reserve(&mut self, call: &AiCall) -> Result<(), StoreError>;
    /// Writes down what it has taken instead.
    async fn settle(&mut self, id: Uuid, spent: Spent) -> Result<(), StoreError>;
}

/// A call to a model.
#[derive(Clone, Debug)]
pub struct AiCall {
    pub id: Uuid,
    /// What for: `score-lead`.
    pub purpose: &'static str,
    pub model: String,
    pub most: Spent,
    pub at: OffsetDateTime,
}

/// What was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub tokens: Tokens,
    /// In millionths of the currency of the provider's bill.
    pub cost_micros: u64,
}

/// What tokens cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// In hundredths of the currency, for a million tokens.
    pub input_cents: u64,
    pub output_cents: u64,
}

impl Prices {
    /// Rounded up.
    pub fn of(self, tokens: Tokens) -> Spent {
        // A cent for a million tokens is a hundredth of a millionth for each.
        let hundredths = tokens
            .input
            .saturating_mul(self.input_cents)
            .saturating_add(tokens.output.saturating_mul(self.output_cents));
        Spent {
            tokens,
            cost_micros: hundredths.div_ceil(100),
        }
    }
}

/// What a tenant may use up in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub prices: Prices,
    pub monthly_tokens: u64,
    pub monthly_micros: u64,
}

impl Budget {
    /// Whether a call that takes `most` is within it, after what was spent.
    fn allows(&self, spent: Spent, most: Spent) -> bool {
        spent.tokens.total().saturating_add(most.tokens.total()) <= self.monthly_tokens
            && spent.cost_micros.saturating_add(most.cost_micros) <= self.monthly_micros
    }
}

/// A call that may be made. It counts as if it took the most, until it is settled: also when nobody is left to do so,
/// because the provider may have done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved(Uuid);

impl Reserved {
    /// Reserves what a call may take; `None`: that would be over the budget.
    pub async fn new(
        uow: &mut dyn UnitOfWork,
        budget: &Budget,
        call: AiCall,
    ) -> Result<Option<Self>, StoreError> {
        // Calls that are reserved at once are not to see the same sum.
        uow.tenants().get_for_update().await?;
        let spent = uow.ai_ledger().spent(month_of(call.at)).await?;
        if !budget.allows(spent, call.most) {
            return Ok(None);
        }
        uow.ai_ledger().reserve(&call).await?;
        Ok(Some(Self(call.id)))
    }

    pub async fn settle(self, ledger: &mut dyn AiLedger, spent: Spent) -> Result<(), StoreError> {
        ledger.settle(self.0, spent).await
    }
}

/// When the month began, in UTC.
fn month_of(moment: OffsetDateTime) -> OffsetDateTime {
    let today = moment.to_offset(time::UtcOffset::UTC).date();
    let first = today.replace_day(1).expect("every month has a first day");
    first.midnight().assume_utc()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const PRICES: Prices = Prices {
        input_cents: 15,
        output_cents: 60,
    };

    #[test]
    fn tokens_cost_what_a_million_of_them_cost_rounded_up() {
        let cost = |input, output| PRICES.of(Tokens { input, output }).cost_micros;

        assert_eq!(cost(1_000_000, 0), 150_000);
        assert_eq!(cost(0, 1_000_000), 600_000);
        assert_eq!(cost(200, 50), 60);
        assert_eq!(cost(1, 0), 1);
        assert_eq!(cost(u64::MAX, u64::MAX), u64::MAX.div_ceil(100));
    }

    #[test]
    fn a_budget_is_of_tokens_and_of_money() {
        let budget = Budget {
            prices: PRICES,
            monthly_tokens: 1_000,
            monthly_micros: 100,
        };
        let spent = |input, cost_micros| Spent {
            tokens: Tokens { input, output: 0 },
            cost_micros,
        };

        assert!(budget.allows(spent(900, 90), spent(100, 10)));
        assert!(!budget.allows(spent(900, 90), spent(101, 10)));
        assert!(!budget.allows(spent(900, 90), spent(100, 11)));
        assert!(!budget.allows(spent(0, 0), spent(u64::MAX, 0)));
    }

    #[test]
    fn a_month_begins_on_its_first_day_in_utc() {
        assert_eq!(
            month_of(datetime!(2026-12-01 00:30:00 +01:00)),
            datetime!(2026-11-01 00:00:00 UTC)
        );
    }
}
