//! The limit of what PostgreSQL can do: the statements of each operation as one pipeline of pgbench.

use anyhow::{Result, bail};

use super::body::NewLead;
use super::workload::{BULK, STATUS, Workload};

const LEAD: &str = "tenant_id, id, name, email, phone, company, status, close_reason, source, insurance_type, zip_code, \
    quality_score, assigned_to, custom_fields, version, created_at, updated_at";

/// A UUIDv7 of now, of a variable that pgbench draws: PostgreSQL would ask the kernel for each random number.
const NEW_ID: &str = "(lpad(to_hex((date_part('epoch', now()) * 1000)::bigint), 12, '0') || '70008' \
    || lpad(to_hex(:key::bigint), 15, '0'))::uuid";

/// Leads that are asked for in turns: so many that they fill some pages, so few that choosing costs nothing.
const LEADS: usize = 100;

/// What scripts are made of.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) tenant: String,
    pub(crate) user: String,
    /// Of leads of the tenant.
    pub(crate) leads: Vec<String>,
    /// Names of leads of the tenant: letters, digits, blanks.
    pub(crate) names: Vec<String>,
}

/// What the database has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All statements of the operation.
    Whole,
    /// The rows of the leads alone: what one would do who owes nobody an event.
    Bare,
}

/// Returns the script of a workload; one transaction of it is one request. The variable `tenant` is for pgbench to bind,
/// as the product binds it: a constant would be planned for otherwise.
pub(crate) fn script(workload: Workload, extent: Extent, sample: &Sample) -> Result<String> {
    let (begin, variables, statements) = match workload {
        Workload::W1 => (
            "BEGIN READ ONLY",
            format!("\\set number random(1, {})\n", sample.leads.len().min(LEADS)),
            vec![one(sample)],
        ),
        Workload::W2 => ("BEGIN READ ONLY", String::new(), vec![list()]),
        Workload::W3 => ("BEGIN READ ONLY", String::new(), vec![list_with_activities()]),
        Workload::W4 => ("BEGIN READ ONLY", String::new(), vec![STATISTICS.to_owned()]),
        Workload::W8 => (
            "BEGIN READ ONLY",
            format!("\\set number random(1, {})\n", sample.names.len()),
            vec![search(sample)],
        ),
        Workload::W5 => (
            "BEGIN",
            "\\set key random(0, 1152921504606846975)\n".to_owned(),
            create(sample, extent),
        ),
        Workload::W6 => ("BEGIN", String::new(), bulk(sample, extent)),
        Workload::W7 => bail!("a cached list is limited by HTTP, not by the database"),
    };
    let statements = statements.join(";\n");
    Ok(format!(
        "{variables}\\startpipeline\n\
         {begin};\n\
         SET LOCAL app.current_tenant = '{}';\n\
         SET LOCAL statement_timeout = 10000;\n\
         {statements};\n\
         COMMIT;\n\
         \\endpipeline\n",
        sample.tenant
    ))
}

// The ids stand in the statement as one constant; which of them is meant is bound. So each request asks for another
// lead, and nothing has to be looked up for that.
fn one(sample: &Sample) -> String {
    let ids = sample.leads[..sample.leads.len().min(LEADS)].join(",");
    format!("SELECT {LEAD} FROM leads WHERE tenant_id = :tenant AND id = ('{{{ids}}}'::uuid[])[:number]")
}

fn list() -> String {
    format!(
        "SELECT {LEAD} FROM leads WHERE tenant_id = :tenant AND status = '{STATUS}' \
         ORDER BY created_at DESC, id DESC LIMIT 51"
    )
}

/// One statement, which PostgreSQL itself turns into nested JSON.
fn list_with_activities() -> String {
    format!(
        "SELECT l.*, (SELECT json_agg(a) FROM (\
             SELECT id, lead_id, type, subject, body, actor_id, occurred_at, version, created_at FROM activities \
             WHERE tenant_id = :tenant AND lead_id = l.id ORDER BY created_at DESC, id DESC LIMIT 5\
         ) AS a) AS activities FROM ({}) AS l",
        list()
    )
}

const STATISTICS: &str = "\
    SELECT status, COUNT(*), \
           FLOOR((date_part('epoch', now()) - AVG(date_part('epoch', created_at))) / 86400)::bigint \
    FROM leads WHERE tenant_id = :tenant GROUP BY status";

fn search(sample: &Sample) -> String {
    let queries: Vec<String> = sample.names.iter().map(|name| tsquery(name)).collect();
    let found = format!(
        "SELECT id FROM search_leads(to_tsquery('fairlead_names', ({})[:number]), 1000, 50)",
        texts(&queries)
    );
    format!("SELECT {LEAD} FROM leads WHERE tenant_id = :tenant AND id = ANY (ARRAY({found}))")
}

/// All words, the last as a prefix: as the product asks for them.
fn tsquery(name: &str) -> String {
    format!(
        "{}:*",
        name.to_lowercase().split(' ').collect::<Vec<_>>().join(" & ")
    )
}

fn create(sample: &Sample, extent: Extent) -> Vec<String> {
    let user = &sample.user;
    let lead = NewLead::of(7);
    let insert = format!(
        "INSERT INTO leads ({LEAD}) VALUES (:tenant, {NEW_ID}, '{}', '{}', '{}', '{}', 'NEW', NULL, '{}', '{}', \
         '{}', 0, NULL, '{{\"budget\": {}}}', 1, now(), now())",
        lead.name,
        lead.email,
        lead.phone,
        lead.company,
        lead.source,
        lead.insurance_type,
        lead.zip_code,
        lead.budget
    );
    if extent == Extent::Bare {
        return vec![insert];
    }
    let (snapshot, actor) = (snapshot(&lead), format!("user/{user}"));
    vec![
        format!(
            "INSERT INTO idempotency_keys AS kept (tenant_id, id, key, actor, request_hash, created_at, expires_at) \
             VALUES (:tenant, {NEW_ID}, 'limit-' || :key, '{actor}', '\\x{}', now(), now() + interval '1 day') \
             ON CONFLICT ON CONSTRAINT idempotency_keys_key DO UPDATE \
             SET id = EXCLUDED.id, status = NULL, body = NULL WHERE kept.expires_at <= EXCLUDED.created_at",
            "5a".repeat(32)
        ),
        insert,
        format!(
            "UPDATE idempotency_keys SET status = 201, body = convert_to('{snapshot}', 'UTF8') \
             WHERE tenant_id = :tenant AND key = 'limit-' || :key AND actor = '{actor}' AND status IS NULL"
        ),
        format!(
            "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, \
                                 trace_context, occurred_at) \
             VALUES (:tenant, {NEW_ID}, 'lead_created', 1, 'lead', {NEW_ID}, 'api', '{actor}', \
                     '{{\"after\": {snapshot}}}', '00-{}-{}-01', now())",
            "5a".repeat(16),
            "5a".repeat(8)
        ),
        format!(
            "INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, after, request_id, \
                                    occurred_at) \
             VALUES (:tenant, {NEW_ID}, 'lead_created', '{actor}', 'lead', {NEW_ID}, '{snapshot}', '{}', now())",
            "5a".repeat(16)
        ),
    ]
}

// Ids of a thousand rows end in their number: to make each by itself would cost more than to write some of the rows.
// No variable stands in these statements: PostgreSQL plans each once, and not anew for the first five values.
fn bulk(sample: &Sample, extent: Extent) -> Vec<String> {
    let Sample { tenant, user, .. } = sample;
    let leads: Vec<NewLead> = (0..BULK).map(NewLead::of).collect();
    let base = "(SELECT left(uuid_v7_floor(now())::text, 15) || substr(gen_random_uuid()::text, 16, 17))";
    let numbers: Vec<String> = (0..BULK).map(|number| format!("{number:04x}")).collect();
    let column = |value: fn(&NewLead) -> String| texts(&leads.iter().map(value).collect::<Vec<_>>());
    let insert = format!(
        "INSERT INTO leads ({LEAD}) \
         SELECT '{tenant}', ({base} || n.number)::uuid, n.name, n.email, n.phone, n.company, 'NEW', NULL, n.source, \
                n.insurance_type, n.zip_code, 0, NULL, n.custom_fields::jsonb, 1, now(), now() \
         FROM unnest({}, {}, {}, {}, {}, {}, {}, {}, {}) \
              AS n (number, name, email, phone, company, source, insurance_type, zip_code, custom_fields)",
        texts(&numbers),
        column(|lead| lead.name.clone()),
        column(|lead| lead.email.clone()),
        column(|lead| lead.phone.clone()),
        column(|lead| lead.company.clone()),
        column(|lead| lead.source.to_owned()),
        column(|lead| lead.insurance_type.to_owned()),
        column(|lead| lead.zip_code.clone()),
        column(|lead| format!("{{\"budget\": {}}}", lead.budget)),
    );
    if extent == Extent::Bare {
        return vec![insert];
    }
    let rows = format!(
        "unnest({}, {}) AS n (number, data)",
        texts(&numbers),
        column(snapshot)
    );
    vec![
        insert,
        format!(
            "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, \
                                 trace_context, occurred_at) \
             SELECT '{tenant}', ({base} || n.number)::uuid, 'lead_created', 1, 'lead', ({base} || n.number)::uuid, \
                    'api', 'user/{user}', ('{{\"after\": ' || n.data || '}}')::jsonb, '00-{}-{}-01', now() FROM {rows}",
            "5a".repeat(16),
            "5a".repeat(8)
        ),
        format!(
            "INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, after, request_id, \
                                    occurred_at) \
             SELECT '{tenant}', ({base} || n.number)::uuid, 'lead_created', 'user/{user}', 'lead', \
                    ({base} || n.number)::uuid, n.data::jsonb, '{}', now() FROM {rows}",
            "5a".repeat(16)
        ),
    ]
}

/// The state of a new lead as events and audit rows have it. No colon stands before a letter or a digit: pgbench would
/// take that for a variable.
fn snapshot(lead: &NewLead) -> String {
    let id = "01934f6e-7b1a-7cc3-98a4-0242ac120002";
    let moment = "2026-11-20T09\\u003a30\\u003a00.123456Z";
    format!(
        "{{\"id\": \"{id}\", \"name\": \"{}\", \"email\": \"{}\", \"phone\": \"{}\", \"company\": \"{}\", \
         \"status\": \"NEW\", \"closeReason\": null, \"source\": \"{}\", \"insuranceType\": \"{}\", \
         \"zipCode\": \"{}\", \"qualityScore\": 0, \"assignedTo\": null, \"customFields\": {{\"budget\": {}}}, \
         \"version\": 1, \"createdAt\": \"{moment}\", \"updatedAt\": \"{moment}\"}}",
        lead.name,
        lead.email,
        lead.phone,
        lead.company,
        lead.source,
        lead.insurance_type,
        lead.zip_code,
        lead.budget
    )
}

/// An array of texts as a constant.
fn texts(values: &[String]) -> String {
    let quoted: Vec<String> = values
        .iter()
        .map(|value| format!("'{}'", value.replace('\'', "''")))
        .collect();
    format!("ARRAY[{}]::text[]", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_variable() {
        let sample = Sample {
            tenant: "01934f6e-7b1a-7cc3-98a4-0242ac120002".to_owned(),
            user: "01934f6e-7b1a-7cc3-98a4-0242ac120003".to_owned(),
            leads: vec!["01934f6e-7b1a-7cc3-98a4-0242ac120004".to_owned()],
            names: vec!["Ann Ferris".to_owned()],
        };
        let workloads = Workload::ALL.into_iter().filter(|workload| !workload.is_cached());
        for (workload, extent) in
            workloads.flat_map(|workload| [(workload, Extent::Whole), (workload, Extent::Bare)])
        {
            let script = script(workload, extent, &sample).unwrap();
            for (at, _) in script.match_indices(':') {
                let is_cast = script[..at].ends_with(':');
                let name = script[at + 1..]
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next();
                let is_meant = matches!(name, Some("" | "tenant" | "number" | "key"));
                assert!(is_cast || is_meant, "{workload:?} binds {name:?}");
            }
        }
    }
}
