use std::sync::Arc;

use super::{AiCall, Budget, LanguageModel, Prices, Question, Recording, Reserved, Spent, Tokens};
use crate::identity::TenantId;
use crate::store::{StoreError, UnitOfWork};
use crate::upstreams::UpstreamFault;

/// Asks a model in the name of tenants, within the budget of each: prepares in one unit of work, asks while none is open,
/// and settles in another one.
#[derive(Clone, Debug)]
pub struct Asker {
    /// `None`: nobody is asked.
    pub model: Option<Arc<dyn LanguageModel>>,
    pub budget: Budget,
}

/// Why no model has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degraded {
    NotConfigured,
    /// The tenant has used up what it may in a month.
    BudgetSpent,
    Unavailable(UpstreamFault),
    /// It was not what was asked for.
    InvalidAnswer,
}

impl Degraded {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::BudgetSpent => "budget-spent",
            Self::Unavailable(_) => "unavailable",
            Self::InvalidAnswer => "invalid-answer",
        }
    }
}

/// A question that may be asked, or why it may not.
#[derive(Debug)]
pub struct Prepared(Result<Asking, Degraded>);

#[derive(Debug)]
enum Inquiry {
    Question(Question),
    Recording(Recording),
}

#[derive(Debug)]
struct Asking {
    tenant: TenantId,
    prices: Prices,
    model: Arc<dyn LanguageModel>,
    inquiry: Inquiry,
    reserved: Reserved,
}

/// What was answered, and what that has taken.
#[derive(Debug)]
pub struct Said {
    answer: Result<String, Degraded>,
    settling: Option<(Reserved, Spent)>,
}

impl Asker {
    /// Whether there is a model, and its provider would not be asked now.
    pub fn is_away(&self) -> bool {
        self.model.as_ref().is_some_and(|model| !model.is_callable())
    }

    /// Reserves what a question may take. Nothing is to be asked before the unit of work is committed.
    pub async fn prepare(
        &self,
        uow: &mut dyn UnitOfWork,
        purpose: &'static str,
        question: Question,
    ) -> Result<Prepared, StoreError> {
        self.reserve(uow, purpose, Inquiry::Question(question)).await
    }

    /// Reserves what it may take to find out what is said in a recording, likewise.
    pub async fn prepare_recording(
        &self,
        uow: &mut dyn UnitOfWork,
        purpose: &'static str,
        recording: Recording,
    ) -> Result<Prepared, StoreError> {
        self.reserve(uow, purpose, Inquiry::Recording(recording)).await
    }

    async fn reserve(
        &self,
        uow: &mut dyn UnitOfWork,
        purpose: &'static str,
        inquiry: Inquiry,
    ) -> Result<Prepared, StoreError> {
        let can_answer = |model: &Arc<dyn LanguageModel>| match inquiry {
            Inquiry::Question(_) => true,
            Inquiry::Recording(_) => model.listens(),
        };
        let Some(model) = self.model.clone().filter(can_answer) else {
            return Ok(Prepared(Err(Degraded::NotConfigured)));
        };
        let is_callable = match inquiry {
            Inquiry::Question(_) => model.is_callable(),
            Inquiry::Recording(_) => model.can_listen_now(),
        };
        // What is not asked costs nothing: no row, and no lock of the tenant's.
        if !is_callable {
            return Ok(Prepared(Err(Degraded::Unavailable(UpstreamFault::Open))));
        }
        let call = AiCall {
            id: uow.next_id(),
            purpose,
            model: model.name().to_owned(),
            most: self.budget.prices.of(inquiry.most_tokens()),
            at: uow.now(),
        };
        let reserved = Reserved::new(uow, &self.budget, call).await?;
        Ok(Prepared(reserved.ok_or(Degraded::BudgetSpent).map(|reserved| {
            Asking {
                tenant: uow.tenant(),
                prices: self.budget.prices,
                model,
                inquiry,
                reserved,
            }
        })))
    }
}

impl Inquiry {
    fn most_tokens(&self) -> Tokens {
        match self {
            Self::Question(question) => question.most_tokens(),
            Self::Recording(recording) => recording.most_tokens(),
        }
    }
}

impl Prepared {
    /// Asks. No unit of work may be open meanwhile.
    pub async fn ask(self) -> Said {
        let asking = match self.0 {
            Ok(asking) => asking,
            Err(why) => {
                return Said {
                    answer: Err(why),
                    settling: None,
                };
            }
        };
        let answer = match &asking.inquiry {
            Inquiry::Question(question) => asking.model.ask(asking.tenant, question).await,
            Inquiry::Recording(recording) => asking.model.transcribe(asking.tenant, recording).await,
        };
        // Where nobody knows, it counts as if it took the most.
        let most = asking.inquiry.most_tokens();
        let tokens = match &answer {
            Ok(answer) => answer
                .tokens
                .and_then(|tokens| tokens.believed(&answer.text, most)),
            Err(fault) => fault.is_free().then(Tokens::default),
        };
        let spent = tokens.map(|tokens| asking.prices.of(tokens));
        Said {
            answer: answer.map(|answer| answer.text).map_err(Degraded::Unavailable),
            settling: spent.map(|spent| (asking.reserved, spent)),
        }
    }
}

impl Said {
    /// Whether there is anything to be written down.
    pub fn owes(&self) -> bool {
        self.settling.is_some()
    }

    /// Writes down what it has taken.
    pub async fn settle(&self, uow: &mut dyn UnitOfWork) -> Result<(), StoreError> {
        match self.settling {
            Some((reserved, spent)) => reserved.settle(uow.ai_ledger(), spent).await,
            None => Ok(()),
        }
    }

    /// Reads the answer; `read` says `None` to what was not asked for.
    pub fn read<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Degraded> {
        let answer = self.answer.as_ref().map_err(|why| *why)?;
        read(answer).ok_or(Degraded::InvalidAnswer)
    }
}
