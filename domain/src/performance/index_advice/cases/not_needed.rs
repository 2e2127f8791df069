use super::{CREATED, Case, btree, key, leads, no_case, on};
use crate::performance::index_advice::{Index, Method, Search, Shape, Sorted};

/// Statements that are served by what is there, or that no index would serve.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(in super::super) fn not_needed() -> Vec<Case> {
    let covering = |keys, include: &str| Index {
        include: include.split(", ").map(str::to_owned).collect(),
        ..btree("leads", keys)
    };
    let partial = |keys, only: &str| Index {
        only: vec![only.to_owned()],
        ..btree("leads", keys)
    };
    let gin = |method, text| Index {
        method,
        keys: vec![Sorted {
            key: key(text),
            is_descending: false,
        }],
        ..btree("leads", "")
    };
    let status = || btree("leads", "tenant_id, status, created_at desc");
    let by_status = || leads().equal("status").by(CREATED, 50.0);
    vec![
        no_case("one lead", leads().equal("id"), vec![]),
        no_case("leads in the order of their ids", leads().by("id", 50.0), vec![]),
        no_case("all leads of a tenant", leads(), vec![]),
        no_case("a small table", on("plans").equal("name"), vec![]),
        no_case("what there is an index for", by_status(), vec![status()]),
        no_case(
            "what is the beginning of one",
            leads().equal("status"),
            vec![status()],
        ),
        no_case(
            "what is read backwards",
            by_status(),
            vec![btree("leads", "tenant_id, status, created_at")],
        ),
        no_case(
            "what is compared in another order",
            by_status(),
            vec![btree("leads", "status, tenant_id, created_at desc")],
        ),
        no_case(
            "what is found soon in another order",
            by_status(),
            vec![btree("leads", "tenant_id, created_at desc")],
        ),
        no_case("what is fast", leads().equal("email").takes(1e6, 0.4), vec![]),
        no_case("what is rare", leads().equal("email").takes(3.0, 50.0), vec![]),
        no_case(
            "a status that a third has",
            on("tickets").equal_of("status_id", 0.33),
            vec![],
        ),
        no_case("everything", on("tickets"), vec![]),
        no_case("most of a year", on("audit").range("occurred_at", 0.6), vec![]),
        no_case("what is written all the time", on("log").equal("trace"), vec![]),
        no_case(
            "any few of many",
            Shape {
                limit: Some(10.0),
                ..on("tickets").equal("status_id")
            },
            vec![],
        ),
        no_case(
            "what is kept apart",
            leads().equal("email"),
            vec![btree("leads", "tenant_id, email")],
        ),
        no_case(
            "words that are indexed",
            leads().searched(Search::Words, "to_tsvector('english', name)", 0.000_1),
            vec![gin(Method::Gin, "to_tsvector('english', name)")],
        ),
        no_case(
            "what most documents contain",
            leads().searched(Search::Contains, "custom_fields", 0.4),
            vec![],
        ),
        no_case(
            "a part that many names have",
            leads().searched(Search::Part, "company", 0.3),
            vec![],
        ),
        no_case("nearly all values", on("tickets").any("status_id", 0.9), vec![]),
        no_case("everything, in order", on("tickets").by(CREATED, 0.0), vec![]),
        no_case(
            "what a partial index has",
            leads()
                .equal("status")
                .fixed("deleted_at IS NULL", 0.9)
                .by(CREATED, 50.0),
            vec![partial(
                "tenant_id, status, created_at desc",
                "deleted_at IS NULL",
            )],
        ),
        no_case(
            "an expression that is indexed",
            leads().equal("lower(email)"),
            vec![btree("leads", "tenant_id, lower(email)")],
        ),
        no_case(
            "what is read from an index already",
            by_status().reads("id, created_at"),
            vec![covering("tenant_id, status, created_at desc", "id")],
        ),
    ]
}
