//! Carriers: the insurance companies a tenant works with.

mod edit;
mod model;
mod port;
mod snapshot;

pub use edit::{
    CarrierDraft, CarrierPatch, CreateCarrierError, RawCarrier, RawCarrierPatch, UpdateCarrierError, create,
    delete, update,
};
pub use model::{Carrier, CarrierId, PartnershipStatus, PartnershipTier};
pub use port::{CarrierConflict, CarrierFilter, Carriers};
pub use snapshot::CarrierSnapshot;
