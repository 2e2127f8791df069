use super::RequestConflict;
use super::request::{PaymentOrder, PaymentRequest};
use super::snapshot::PaymentSnapshot;
use crate::Id;
use crate::access::Actor;
use crate::events::{Aggregate, Recorded, Source};
use crate::store::{StoreError, UnitOfWork};

/// Writes down what is asked of the provider, with the job that asks and the event that says so.
///
/// # Errors
///
/// [`StoreError::Contended`] when the same is being asked meanwhile: whoever asks again sees it.
pub(super) async fn place(
    uow: &mut dyn UnitOfWork,
    actor: Actor,
    order: PaymentOrder,
) -> Result<PaymentRequest, StoreError> {
    let id = Id::from_uuid(uow.next_id());
    let request = PaymentRequest::new(id, order, uow.now());
    uow.billing()
        .insert(&request)
        .await
        .map_err(|conflict| match conflict {
            RequestConflict::Exists => StoreError::Contended,
            RequestConflict::Store(error) => error,
        })?;
    uow.jobs().enqueue(request.job()).await?;
    let source = match actor {
        Actor::System => Source::System,
        _ => Source::Api,
    };
    uow.record(
        Recorded::new("payment_requested", Aggregate::Payment, id.as_uuid(), actor)
            .by(source)
            .after(&PaymentSnapshot::from(&request)),
    );
    Ok(request)
}
