use fairlead_domain::billing::{CheckoutError, RefundError};

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<CheckoutError> for Problem {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::NotForSale(_) => Self::client(Kind::NotForSale, error.to_string()),
            CheckoutError::Subscribed { .. } | CheckoutError::UnderWay => {
                Self::client(Kind::Conflict, error.to_string())
            }
            CheckoutError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CheckoutError {
    const KINDS: &'static [Kind] = &[Kind::Conflict, Kind::NotForSale, Kind::PaymentRefused];
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::NoCustomer => Self::client(Kind::NeverPaid, error.to_string()),
            RefundError::ReferenceTaken => Self::client(Kind::Conflict, error.to_string()),
            RefundError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RefundError {
    const KINDS: &'static [Kind] = &[Kind::Conflict, Kind::NeverPaid];
}
