use super::{CREATED, Case, activities, case, leads, on};
use crate::performance::index_advice::Search;

/// Statements each of which needs one index.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(in super::super) fn needed() -> Vec<Case> {
    vec![
        case(
            "list by status",
            leads().equal("status").by(CREATED, 50.0),
            "leads (tenant_id, status, created_at DESC)",
        ),
        case(
            "an agent's leads, the last changed first",
            leads().equal_of("assigned_to", 0.05).by("updated_at desc", 20.0),
            "leads (tenant_id, assigned_to, updated_at DESC)",
        ),
        case("by e-mail", leads().equal("email"), "leads (tenant_id, email)"),
        case("by phone", leads().equal("phone"), "leads (tenant_id, phone)"),
        case(
            "by place and insurance",
            leads().equal("zip_code, insurance_type"),
            "leads (tenant_id, zip_code, insurance_type)",
        ),
        case(
            "the newest activities of a lead",
            activities()
                .equal_of("lead_id", 0.002)
                .by("occurred_at desc", 5.0),
            "activities (tenant_id, lead_id, occurred_at DESC)",
        ),
        case(
            "by source and status",
            leads().equal("source, status"),
            "leads (tenant_id, source, status)",
        ),
        case(
            "a day's leads",
            leads().range("created_at", 0.003),
            "leads (tenant_id, created_at)",
        ),
        case(
            "a week's leads of a status",
            leads().equal("status").range("created_at", 0.02),
            "leads (tenant_id, status, created_at)",
        ),
        case(
            "the newest leads",
            leads().by(CREATED, 20.0),
            "leads (tenant_id, created_at DESC)",
        ),
        case(
            "the last changed leads, with a tie-break",
            leads().by("updated_at desc, id desc", 50.0),
            "leads (tenant_id, updated_at DESC, id DESC)",
        ),
        case(
            "an agent's open leads",
            leads()
                .equal_of("assigned_to", 0.05)
                .fixed("status <> 'CLOSED'", 0.4)
                .by("updated_at desc", 20.0),
            "leads (tenant_id, assigned_to, updated_at DESC) WHERE (status <> 'CLOSED')",
        ),
        case(
            "the newest leads of most statuses",
            leads().any("status", 0.75).by(CREATED, 50.0),
            "leads (tenant_id, created_at DESC)",
        ),
        case(
            "of a few places",
            leads().any("zip_code", 0.000_1),
            "leads (tenant_id, zip_code)",
        ),
        case(
            "words of a name",
            leads().searched(Search::Words, "to_tsvector('english', name)", 0.000_1),
            "leads USING gin ((to_tsvector('english', name)))",
        ),
        case(
            "a custom field",
            leads().searched(Search::Contains, "custom_fields", 0.000_5),
            "leads USING gin (custom_fields)",
        ),
        case(
            "a part of a company's name",
            leads().searched(Search::Part, "company", 0.000_1),
            "leads USING gin (company gin_trgm_ops)",
        ),
        case(
            "by e-mail, however it is written",
            leads().equal("lower(email)"),
            "leads (tenant_id, (lower(email)))",
        ),
        case(
            "by a field of a document",
            leads().equal("custom_fields ->> 'ref'"),
            "leads (tenant_id, (custom_fields ->> 'ref'))",
        ),
        case(
            "by name, however it is written",
            leads().by("lower(name)", 50.0),
            "leads (tenant_id, (lower(name)))",
        ),
        case(
            "a list that reads little",
            leads().equal("status").by(CREATED, 100.0).reads("id, created_at"),
            "leads (tenant_id, status, created_at DESC) INCLUDE (id)",
        ),
        case(
            "what is not relayed yet",
            on("outbox").fixed("relayed_at IS NULL", 0.000_5).by("id", 100.0),
            "outbox (id) WHERE (relayed_at IS NULL)",
        ),
        case(
            "the next job",
            on("jobs")
                .equal("queue")
                .fixed("state = 'ready'", 0.01)
                .range("run_at", 0.8)
                .by("run_at", 10.0),
            "jobs (queue, run_at) WHERE (state = 'ready')",
        ),
        case(
            "a session",
            on("sessions").equal("token_hash"),
            "sessions (token_hash)",
        ),
        case(
            "the sessions of a user",
            on("sessions").equal("user_id"),
            "sessions (user_id)",
        ),
        case(
            "what a user did",
            activities().equal_of("user_id", 0.02),
            "activities (tenant_id, user_id)",
        ),
        case(
            "an hour of the audit log",
            on("audit").range("occurred_at", 0.001),
            "audit (occurred_at)",
        ),
        case(
            "the newest of one kind in the audit log",
            on("audit").equal("action").by("occurred_at desc", 50.0),
            "audit (action, occurred_at DESC) | audit (occurred_at DESC)",
        ),
        case(
            "the best, the oldest first",
            leads().by("quality_score desc, created_at", 50.0),
            "leads (tenant_id, quality_score DESC, created_at)",
        ),
        case(
            "the newest good ones",
            leads().range("quality_score", 0.3).by(CREATED, 20.0),
            "leads (tenant_id, created_at DESC)",
        ),
        case(
            "the very best, the newest first",
            leads().range("quality_score", 0.002).by(CREATED, 20.0),
            "leads (tenant_id, quality_score)",
        ),
        case(
            "of two ranges the narrower",
            leads().range("created_at", 0.5).range("updated_at", 0.002),
            "leads (tenant_id, updated_at)",
        ),
        case(
            "by all that is compared",
            leads().equal("zip_code, source, insurance_type, status"),
            "leads (tenant_id, zip_code, source, insurance_type, status)",
        ),
        case(
            "an agent's newest lead",
            leads().equal_of("assigned_to", 0.05).by(CREATED, 1.0),
            "leads (tenant_id, assigned_to, created_at DESC)",
        ),
        case(
            "how many are of a status",
            leads().equal("status").reads("status, tenant_id"),
            "leads (tenant_id, status)",
        ),
        case(
            "the next page",
            leads().range("created_at", 0.5).by(CREATED, 50.0),
            "leads (tenant_id, created_at DESC) | leads (tenant_id, created_at)",
        ),
        case(
            "a condition that nearly all meet",
            leads()
                .equal("status")
                .fixed("deleted_at IS NULL", 0.99)
                .by(CREATED, 50.0),
            "leads (tenant_id, status, created_at DESC)",
        ),
        case(
            "numbers that are free",
            on("virtual_numbers")
                .equal("country_code, area_code")
                .fixed("status = 'AVAILABLE'", 0.1),
            "virtual_numbers (area_code, country_code) WHERE (status = 'AVAILABLE')",
        ),
        case(
            "numbers of an owner",
            on("virtual_numbers").equal("owner_id"),
            "virtual_numbers (owner_id)",
        ),
        case(
            "the last use of a number",
            on("usage_records")
                .equal_of("number_id", 0.000_05)
                .by("timestamp desc", 10.0),
            "usage_records (number_id, timestamp DESC)",
        ),
        case(
            "a month of a number",
            on("usage_records")
                .equal_of("number_id", 0.001)
                .range("timestamp", 0.03),
            "usage_records (number_id, timestamp)",
        ),
        case(
            "tickets of an organisation, without reading them",
            on("tickets")
                .equal("organization_id, status_id")
                .by(CREATED, 100.0)
                .reads("id, title, priority_id"),
            "tickets (organization_id, status_id, created_at DESC) INCLUDE (id, priority_id, title)",
        ),
        case(
            "tickets of a priority that are open",
            on("tickets")
                .equal_of("priority_id", 0.02)
                .equal_of("status_id", 0.05),
            "tickets (priority_id, status_id)",
        ),
        case(
            "jobs that failed",
            on("jobs")
                .fixed("state = 'failed'", 0.001)
                .by("run_at desc", 50.0),
            "jobs (run_at DESC) WHERE (state = 'failed')",
        ),
        case(
            "activities of a kind, the newest first",
            activities().equal("kind").by("occurred_at desc", 50.0),
            "activities (tenant_id, kind, occurred_at DESC)",
        ),
    ]
}
