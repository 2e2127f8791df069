//! The short way to an answer that is kept.

use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use equivalent::Equivalent;
use fairlead_domain::access::{Caller, TenantScope};
use fairlead_domain::cache::{CacheKey, Found, ReadCache};
use fairlead_domain::consistency::Consistency;
use fairlead_domain::identity::TenantId;
use moka::sync::Cache;

use super::shown::{show_found, wants_no_cache};
use crate::representation::is_slow_to_show;
use crate::state::Services;

/// How many targets are remembered; those used least go first.
const CAPACITY: u64 = 10_000;
/// Targets that are longer, together with the name of their answer, go the usual way: with this, all take no more than
/// about 10 MB.
const LONGEST: usize = 512;

/// Whether a caller may do something.
pub(super) type Check = fn(&Caller) -> bool;

/// Which answer a target asks for, as clients write it: path and query.
///
/// That an answer is in memory is known long before its route is found, its query understood and brought into normal
/// form. A target that was answered from memory once is remembered with the name of that answer, and with what its
/// caller had to be allowed; the next request for it asks the cache at once. What is remembered never goes out of date:
/// a target always means the same. Each tenant has its own all the same, so that nobody can tell by the time that an
/// answer takes what others ask for. Whether the answer is still good is for the cache to say, and everything out of the
/// ordinary goes the usual way.
#[derive(Clone)]
pub struct Shortcuts(Cache<Target, Arc<Shortcut>>);

#[derive(PartialEq, Eq, Hash)]
struct Target {
    tenant: TenantId,
    text: Box<str>,
}

/// A [`Target`] to look for, without a copy of its text. Hashes like one.
#[derive(Hash)]
struct Wanted<'t> {
    tenant: TenantId,
    text: &'t str,
}

impl Equivalent<Target> for Wanted<'_> {
    fn equivalent(&self, target: &Target) -> bool {
        self.tenant == target.tenant && *self.text == *target.text
    }
}

struct Shortcut {
    key: CacheKey,
    route: Arc<str>,
    checks: Vec<Check>,
}

impl Default for Shortcuts {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Shortcuts {
    /// Remembers that `target` asks for `key`, and that whoever passes `checks` may ask it.
    pub(super) fn learn(
        &self,
        scope: &TenantScope,
        target: &str,
        key: CacheKey,
        route: Option<String>,
        checks: &[Check],
    ) {
        if let Some(route) = route.filter(|_| target.len() + key.variant().len() <= LONGEST) {
            let shortcut = Shortcut {
                key,
                route: route.into(),
                checks: checks.to_vec(),
            };
            let target = Target {
                tenant: scope.tenant(),
                text: target.into(),
            };
            self.0.insert(target, Arc::new(shortcut));
        }
    }
}

/// Answers from memory, if the way is known and all is well. Tells the route, too.
pub(crate) fn take(
    request: &ServiceRequest,
    caller: &Caller,
    services: &Services,
) -> Option<(HttpResponse, Arc<str>)> {
    let is_quick = |found: &Found| {
        let compression = &services.settings.compression;
        !is_slow_to_show(&found.entry, request.headers(), compression)
    };
    answer(request, caller, services, |cache, scope, key, consistency| {
        cache.find(scope, key, consistency).filter(is_quick)
    })
}

/// Answers from memory with what is kept beyond its time, when a new answer is not to be had or not to be asked for.
pub(crate) fn take_kept(
    request: &ServiceRequest,
    caller: &Caller,
    services: &Services,
) -> Option<(HttpResponse, Arc<str>)> {
    answer(request, caller, services, |cache, scope, key, consistency| {
        cache.find_kept(scope, key, consistency)
    })
}

fn answer(
    request: &ServiceRequest,
    caller: &Caller,
    services: &Services,
    find: impl Fn(&dyn ReadCache, &TenantScope, &CacheKey, Consistency) -> Option<Found>,
) -> Option<(HttpResponse, Arc<str>)> {
    let cache = services.cache.as_deref()?;
    if request.method() != Method::GET {
        return None;
    }
    let wanted = Wanted {
        tenant: caller.scope().tenant(),
        text: request.uri().path_and_query()?.as_str(),
    };
    let shortcut = services.shortcuts.0.get(&wanted)?;
    let may = shortcut.checks.iter().all(|may| may(caller));
    if !may || wants_no_cache(request.headers()) {
        return None;
    }
    let request = request.request();
    let consistency = services.consistency.asked(request, caller.scope()).ok()?;
    let found = find(cache, caller.scope(), &shortcut.key, consistency)?;
    Some((show_found(request, &found, None), Arc::clone(&shortcut.route)))
}

impl fmt::Debug for Shortcuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shortcuts")
            .field("targets", &self.0.entry_count())
            .finish_non_exhaustive()
    }
}
