//! What must hold before a request may be served: the database itself keeps tenants apart.

use fairlead_domain::store::StoreError;

use crate::connection::Connection;
use crate::error::SqlError;
use crate::{PgStore, PgSystemStore};

/// Something that would let a request reach another tenant's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in a sentence.
    pub what: String,
    /// The SQL that mends it, run as a superuser.
    pub mend_sql: String,
}

const CURRENT_USER: &str =
    "SELECT current_user::text, current_setting('default_transaction_read_only')::bool";

// Every role that this one is, or may become by SET ROLE, and what makes it too mighty. `pg_has_role` follows chains of
// memberships; every role is a member of itself, and a superuser of all.
const ROLE_FAULTS: &str = "
    SELECT r.rolname = current_user AS is_self, r.rolname::text AS name, fault.kind,
           -- Its own memberships by which it gets there: they may be of other roles, whose members these are.
           ARRAY(
               SELECT direct.rolname::text
               FROM pg_auth_members AS m
               JOIN pg_roles AS direct ON direct.oid = m.roleid
               JOIN pg_roles AS member ON member.oid = m.member
               WHERE member.rolname = current_user AND pg_has_role(direct.oid, r.oid, 'MEMBER')
               ORDER BY 1
           ) AS through
    FROM pg_roles AS r
    CROSS JOIN LATERAL (
        SELECT 'superuser' AS kind WHERE r.rolsuper
        UNION ALL
        SELECT 'bypassrls' WHERE r.rolbypassrls
        UNION ALL
        SELECT 'owner'
        WHERE EXISTS (
                  SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
              )
           OR EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspowner = r.oid AND n.nspname NOT LIKE 'pg\\_%')
           OR EXISTS (SELECT FROM pg_database AS d WHERE d.datdba = r.oid AND d.datname = current_database())
        UNION ALL
        SELECT 'system' WHERE r.rolname = $1 AND r.rolname <> current_user
    ) AS fault
    WHERE pg_has_role(current_user, r.oid, 'MEMBER')
      -- Of a superuser it is enough to know that it is one.
      AND (r.rolname = current_user OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
    ORDER BY is_self DESC, name, kind";

// Partitions have row-level security too, although nobody is granted them, and need no policy: without one, they show
// nothing at all. Permissive policies add up, so any other that applies to the role would widen what it sees. Those of
// the system role are as they should be: that the role can become that one is a fault of its own.
const TABLE_FAULTS: &str = "
    SELECT c.oid::regclass::text AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           c.relispartition
           OR EXISTS (
               SELECT FROM pg_policy AS p
               WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polpermissive AND p.polcmd = '*'
                 AND (SELECT oid FROM pg_roles WHERE rolname = current_user) = ANY (p.polroles)
                 AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = ( SELECT current_tenant() AS current_tenant))'
                 AND p.polwithcheck IS NULL
           ) AS has_policy,
           (SELECT string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname)
            FROM pg_policy AS p
            WHERE p.polrelid = c.oid AND p.polpermissive AND p.polname <> 'tenant'
              AND EXISTS (
                      SELECT FROM unnest(p.polroles) AS granted (oid)
                      WHERE granted.oid = 0
                         OR granted.oid <> (SELECT oid FROM pg_roles WHERE rolname = $1)
                            AND pg_has_role(current_user, granted.oid, 'MEMBER')
                  )) AS other_policies
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    ORDER BY name";

/// Looks for faults; the process serves only when there are none.
pub async fn inspect(app: &PgStore, system: &PgSystemStore) -> Result<Vec<Fault>, StoreError> {
    let as_app = app.cluster().app();
    let as_system = system.cluster().system();
    let mut faults = Vec::new();
    let app_role = current_user(&as_app, &mut faults).await?;
    let system_role = current_user(&as_system, &mut faults).await?;

    if app_role == system_role {
        faults.push(Fault {
            what: format!("requests and cross-tenant work run as the same role, {app_role}"),
            mend_sql: "-- Configure two roles, such as fairlead_app and fairlead_system.".to_owned(),
        });
    }
    faults.extend(role_faults(&as_app, &app_role, &system_role).await?);
    faults.extend(role_faults(&as_system, &system_role, &system_role).await?);
    faults.extend(table_faults(&as_app, &app_role, &system_role).await?);
    Ok(faults)
}

async fn current_user(connection: &Connection, faults: &mut Vec<Fault>) -> Result<String, StoreError> {
    let row = connection.sql(CURRENT_USER).fetch_one().await?;
    let role: String = row.try_get(0).map_err(SqlError::from)?;
    let reads_by_default: bool = row.try_get(1).map_err(SqlError::from)?;
    // We ask for it as each connection is opened, and a pooler may leave that out.
    if !reads_by_default {
        faults.push(Fault {
            what: format!("connections of role {role} may write outside a transaction that says so"),
            mend_sql: format!(
                "ALTER ROLE {} SET default_transaction_read_only = on;",
                quote(&role)
            ),
        });
    }
    Ok(role)
}

async fn role_faults(
    connection: &Connection,
    role: &str,
    system_role: &str,
) -> Result<Vec<Fault>, StoreError> {
    let rows = connection.sql(ROLE_FAULTS).bind(system_role).fetch_all().await?;
    let mut faults = Vec::with_capacity(rows.len());
    for row in rows {
        let get = |error| StoreError::from(SqlError::from(error));
        let is_self: bool = row.try_get(0).map_err(get)?;
        let name: String = row.try_get(1).map_err(get)?;
        let kind: String = row.try_get(2).map_err(get)?;
        let through: Vec<String> = row.try_get(3).map_err(get)?;
        faults.push(if is_self {
            own_fault(role, &kind)
        } else {
            inherited_fault(role, &name, &kind, &through)
        });
    }
    Ok(faults)
}

fn own_fault(role: &str, kind: &str) -> Fault {
    let quoted = quote(role);
    match kind {
        "superuser" => Fault {
            what: format!("role {role} is a superuser, whom row-level security does not bind"),
            mend_sql: format!("ALTER ROLE {quoted} NOSUPERUSER;"),
        },
        "bypassrls" => Fault {
            what: format!("role {role} has BYPASSRLS"),
            mend_sql: format!("ALTER ROLE {quoted} NOBYPASSRLS;"),
        },
        _ => Fault {
            what: format!(
                "role {role} owns the database, a schema or a table, and could lift row-level security"
            ),
            // An owner's own privileges go with the ownership, and the migrations' grants must be made again.
            mend_sql: format!(
                "REASSIGN OWNED BY {quoted} TO fairlead_owner; \
                 -- then repeat the migrations' GRANTs to {quoted} on what has changed hands"
            ),
        },
    }
}

/// `through` are the roles that `role` is a member of itself, and by which it becomes `other`.
fn inherited_fault(role: &str, other: &str, kind: &str, through: &[String]) -> Fault {
    let why = match kind {
        "superuser" => "a superuser",
        "bypassrls" => "a role with BYPASSRLS",
        "system" => "the role of cross-tenant work",
        _ => "the owner of the database, a schema or a table",
    };
    let direct: Vec<String> = through.iter().map(|direct| quote(direct)).collect();
    Fault {
        what: format!("role {role} can become {other}, {why}"),
        mend_sql: format!("REVOKE {} FROM {};", direct.join(", "), quote(role)),
    }
}

async fn table_faults(
    connection: &Connection,
    role: &str,
    system_role: &str,
) -> Result<Vec<Fault>, StoreError> {
    let rows = connection.sql(TABLE_FAULTS).bind(system_role).fetch_all().await?;
    let mut faults = Vec::new();
    for row in rows {
        let get = |error| StoreError::from(SqlError::from(error));
        let name: String = row.try_get(0).map_err(get)?;
        let enabled: bool = row.try_get(1).map_err(get)?;
        let forced: bool = row.try_get(2).map_err(get)?;
        let has_policy: bool = row.try_get(3).map_err(get)?;
        let others: Option<String> = row.try_get(4).map_err(get)?;
        if !enabled {
            faults.push(Fault {
                what: format!("table {name} is without row-level security"),
                mend_sql: format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"),
            });
        }
        if !forced {
            faults.push(Fault {
                what: format!("row-level security of table {name} is not forced on its owner"),
                mend_sql: format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
            });
        }
        if !has_policy {
            faults.push(Fault {
                what: format!("table {name} has no policy that binds {role} to its tenant"),
                mend_sql: format!(
                    "DROP POLICY IF EXISTS tenant ON {name}; \
                     CREATE POLICY tenant ON {name} TO {} USING (tenant_id = (SELECT current_tenant()));",
                    quote(role)
                ),
            });
        }
        if let Some(others) = others {
            faults.push(Fault {
                what: format!(
                    "table {name} shows {role} more than its tenant's rows, by the policies {others}"
                ),
                mend_sql: drop_policies(&name, &others),
            });
        }
    }
    Ok(faults)
}

/// `policies` are quoted and separated by `, `.
fn drop_policies(table: &str, policies: &str) -> String {
    let statements: Vec<String> = policies
        .split(", ")
        .map(|policy| format!("DROP POLICY {policy} ON {table};"))
        .collect();
    statements.join(" ")
}

/// Quotes an identifier.
fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_how_to_mend_it() {
        assert_eq!(
            own_fault("app", "superuser").mend_sql,
            "ALTER ROLE \"app\" NOSUPERUSER;"
        );
        let through = ["o\"wner".to_owned(), "deputy".to_owned()];
        assert_eq!(
            inherited_fault("app", "o\"wner", "owner", &through).mend_sql,
            "REVOKE \"o\"\"wner\", \"deputy\" FROM \"app\";"
        );
    }
}
