use actix_web::http::Method;
use fairlead_domain::admission::Class;

/// How an operation passes the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handling {
    pub(crate) class: Class,
    pub(crate) extent: Extent,
}

/// For how long a request takes room behind the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Until it is answered.
    Whole,
    /// The same, together with its tenant's others: what they ask is found by one statement.
    Shared,
    /// Not at all, once it is in: it goes on for as long as its client reads or writes, or waits for another service, and
    /// has a bound of its own.
    Entry,
}

const USUAL: Handling = Handling {
    class: Class::Interactive,
    extent: Extent::Whole,
};
const BY_ID: Handling = Handling {
    class: Class::Interactive,
    extent: Extent::Shared,
};
/// Somebody waits for it, mostly for others than the database.
const LONG: Handling = Handling {
    class: Class::Interactive,
    extent: Extent::Entry,
};
const BULK: Handling = Handling {
    class: Class::Bulk,
    extent: Extent::Whole,
};
const LONG_BULK: Handling = Handling {
    class: Class::Bulk,
    extent: Extent::Entry,
};

/// The collections of which one is found by its id together with others. Like it are the ids in their paths long.
const FOUND_BY_ID: [&str; 4] = ["leads", "users", "carriers", "webhooks"];
const ID_LENGTH: usize = 36;

/// How an operation of the API passes the gate; the specification says it, too.
///
/// Asked with each request, long before its route is found. `path` is as the router sees it.
pub(crate) fn handling(method: &Method, path: &str) -> Handling {
    let Some(path) = path.strip_prefix("/api/v1/") else {
        return USUAL;
    };
    match (method.as_str(), path) {
        ("GET", "events/stream" | "ws") | ("POST", "voice/commands") => LONG,
        ("GET", "leads/export") | ("POST", "leads/import") => LONG_BULK,
        ("POST", "leads/bulk" | "leads/export" | "leads/score") | ("PATCH", "leads/bulk") => BULK,
        (method, path) => of_one(method, path),
    }
}

/// One about something whose id stands in the path.
fn of_one(method: &str, path: &str) -> Handling {
    let Some((kind, rest)) = path.split_once('/') else {
        return USUAL;
    };
    let Some((_, what)) = rest.split_once('/') else {
        let is_by_id = *method == *"GET" && rest.len() == ID_LENGTH && FOUND_BY_ID.contains(&kind);
        return if is_by_id { BY_ID } else { USUAL };
    };
    match (method, kind, what) {
        ("GET", "operations", "stream")
        | ("POST", "leads", "activities/summary" | "score")
        | ("POST", "webhooks", "ping") => LONG,
        ("GET", "operations", "result") => LONG_BULK,
        ("POST", "webhooks", "replay") => BULK,
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::guard::EXEMPT;
    use crate::spec::openapi;

    /// The operations of the specification that pass the gate like `wanted`.
    fn like(wanted: impl Fn(Handling) -> bool) -> Vec<&'static str> {
        let mut found = Vec::new();
        for (path, operations) in openapi()["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                if wanted(handling(&method, path)) {
                    found.push(operation["operationId"].as_str().unwrap());
                }
            }
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn what_nobody_watches_is_bulk_work() {
        assert_eq!(
            like(|handling| handling.class == Class::Bulk),
            [
                "beginLeadExport",
                "beginLeadScoring",
                "createLeads",
                "exportLeads",
                "getOperationResult",
                "importLeads",
                "replayEvents",
                "updateLeads",
            ]
        );
    }

    #[test]
    fn what_waits_for_others_than_the_database_takes_no_room() {
        assert_eq!(
            like(|handling| handling.extent == Extent::Entry),
            [
                "exportLeads",
                "getOperationResult",
                "importLeads",
                "openWebSocket",
                "pingWebhook",
                "sayCommand",
                "scoreLead",
                "streamEvents",
                "streamOperation",
                "summarizeActivities",
            ]
        );
    }

    #[test]
    fn what_is_found_by_its_id_goes_together() {
        let id = "0192d3a4-0000-7000-8000-000000000001";
        let extent = |method, path: &str| handling(&method, &path.replace("{id}", id)).extent;

        for path in [
            "/api/v1/leads/{id}",
            "/api/v1/users/{id}",
            "/api/v1/webhooks/{id}",
        ] {
            assert_eq!(extent(Method::GET, path), Extent::Shared, "{path}");
            assert_eq!(extent(Method::PATCH, path), Extent::Whole, "{path}");
        }
        for path in [
            "/api/v1/leads/statistics",
            "/api/v1/leads",
            "/api/v1/leads/{id}/activities",
        ] {
            assert_eq!(extent(Method::GET, path), Extent::Whole, "{path}");
        }
    }

    #[test]
    fn whatever_has_no_deadline_takes_no_room() {
        for path in EXEMPT.iter().filter(|path| !path.contains("/performance/")) {
            let takes_none = [Method::GET, Method::POST]
                .iter()
                .any(|method| handling(method, path).extent == Extent::Entry);
            assert!(takes_none, "{path}");
        }
    }
}
