use super::make::of_tenant;
use super::place::place;
use super::request::{PaymentOrder, PaymentRequest, RefundOrder};
use crate::access::{Actor, OperatorPermit};
use crate::identity::TenantId;
use crate::invalid::{Faults, Invalid};
use crate::store::{Store, StoreError};
use crate::text;

/// The most characters of a reference, of a reason, and of what the provider calls a payment.
const REFERENCE: usize = 100;
const REASON: usize = 500;
const PAYMENT: usize = 255;
/// The most that is paid back at once, in the smallest unit of a currency. The provider takes no more digits.
const MOST: u64 = 99_999_999;

/// A refund whose every field is in order.
#[derive(Clone, Debug)]
pub struct RefundDraft(RefundOrder);

impl RefundDraft {
    pub fn parse(reference: &str, payment: &str, amount: Option<i64>, reason: &str) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let reference = faults.keep("reference", text::line(reference, REFERENCE));
        let is_id = payment.starts_with("pi_")
            && payment.len() <= PAYMENT
            && payment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_id {
            faults.add(
                "payment",
                "must be what the provider calls a payment, such as pi_3MtwBw",
            );
        }
        let amount_in_order = amount.map(|amount| u64::try_from(amount).unwrap_or_default());
        if amount_in_order.is_some_and(|amount| !(1..=MOST).contains(&amount)) {
            faults.add("amount", format!("must be a whole number from 1 to {MOST}"));
        }
        let reason = faults.keep("reason", text::line(reason, REASON));
        faults.finish()?;
        Ok(Self(RefundOrder {
            reference: reference.unwrap_or_default(),
            payment: payment.to_owned(),
            amount: amount_in_order,
            reason: reason.unwrap_or_default(),
            requested_by: String::new(),
        }))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    #[error("there is no such tenant, or it has never paid")]
    NoCustomer,
    #[error("another refund was asked for by this reference: choose another one")]
    ReferenceTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has a payment paid back. Whoever asks again by the same reference asks for the same refund.
pub async fn request_refund(
    store: &dyn Store,
    permit: &OperatorPermit,
    tenant: TenantId,
    draft: RefundDraft,
) -> Result<PaymentRequest, RefundError> {
    let mut uow = store.begin_behind(&of_tenant(tenant)).await?;
    uow.billing().customer().await?.ok_or(RefundError::NoCustomer)?;
    let order = RefundOrder {
        requested_by: permit.operator().to_owned(),
        ..draft.0
    };
    if let Some(before) = uow.billing().find_refund(&order.reference).await? {
        return if before.order.is_as(&order) {
            Ok(before)
        } else {
            Err(RefundError::ReferenceTaken)
        };
    }
    let request = place(&mut *uow, Actor::System, PaymentOrder::Refund(order)).await?;
    uow.commit().await?;
    Ok(request)
}
