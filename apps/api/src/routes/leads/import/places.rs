//! How many files are imported at once for clients that wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;

use crate::problem::{Kind, Problem};

/// Each holds a thousand rows, and a connection of the pool for as long as they are written.
const OF_ALL: usize = 4;
const OF_TENANT: usize = 2;

/// The places of this process. All clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct ImportPlaces(Arc<Mutex<HashMap<TenantId, usize>>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: ImportPlaces,
    tenant: TenantId,
}

impl ImportPlaces {
    pub(super) fn take(&self, tenant: TenantId) -> Result<Place, Problem> {
        let mut taken = self.taken();
        let (of_all, of_tenant) = (
            taken.values().sum::<usize>(),
            taken.get(&tenant).copied().unwrap_or_default(),
        );
        if of_tenant >= OF_TENANT {
            let detail = format!("{OF_TENANT} files of the tenant are imported directly already");
            return Err(Problem::client(Kind::TooManyImports, detail));
        }
        if of_all >= OF_ALL {
            let detail = format!("{OF_ALL} files are imported directly already, of all tenants");
            return Err(Problem::client(Kind::TooManyImports, detail));
        }
        *taken.entry(tenant).or_default() += 1;
        drop(taken);
        Ok(Place {
            places: self.clone(),
            tenant,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(of_tenant) = taken.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_tenant_has_some_of_the_places_and_gives_them_back() {
        let places = ImportPlaces::default();
        let first = places.take(tenant(1)).unwrap();
        let _second = places.take(tenant(1)).unwrap();

        let refused = places.take(tenant(1)).unwrap_err();
        assert_eq!(refused.kind(), Kind::TooManyImports);
        let _others = [places.take(tenant(2)).unwrap(), places.take(tenant(3)).unwrap()];
        assert!(places.take(tenant(4)).is_err(), "all are taken");

        drop(first);
        let _again = places.take(tenant(4)).unwrap();
        assert_eq!(places.taken().values().sum::<usize>(), OF_ALL);
    }
}
