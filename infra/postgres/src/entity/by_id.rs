use std::sync::LazyLock;

use fairlead_domain::activities::Activity;
use fairlead_domain::carriers::Carrier;
use fairlead_domain::identity::User;
use fairlead_domain::leads::Lead;
use fairlead_domain::webhooks::Webhook;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _, LockType};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, QueryFilter as _, QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use super::{activity, carrier, lead, user, webhook};
use crate::rows::FromRow;

/// What is found by its tenant and its id.
pub(crate) trait ById: FromRow + 'static {
    /// The place of the id among its columns.
    const ID: usize = 1;

    fn selects() -> &'static Selects;
}

/// The texts that find rows of a tenant, `$1`.
#[derive(Debug)]
pub(crate) struct Selects {
    /// That of the id `$2`.
    pub(crate) one: String,
    /// The same, kept from others who would write. Not FOR UPDATE: rows that refer to it may still be added meanwhile.
    pub(crate) one_for_update: String,
    /// Those of the ids in the array `$2`.
    pub(crate) many: String,
}

impl Selects {
    fn of<E: EntityTrait>(tenant: E::Column, id: E::Column) -> Self {
        let text = |select: Select<E>| select.build(DbBackend::Postgres).sql;
        let one = scoped::<E>(tenant).filter(id.eq(Uuid::nil()));
        let any = PgFunc::any(Vec::<Uuid>::new());
        let many = scoped::<E>(tenant).filter(Expr::col(id.as_column_ref()).eq(any));
        Self {
            one: text(one.clone()),
            one_for_update: text(one.lock(LockType::NoKeyUpdate)),
            many: text(many),
        }
    }
}

/// What is bound is left behind: the texts are all that is wanted.
#[expect(clippy::disallowed_methods, reason = "a scoped door itself")]
fn scoped<E: EntityTrait>(tenant: E::Column) -> Select<E> {
    E::find().filter(tenant.eq(Uuid::nil()))
}

macro_rules! by_id {
    ($($type:ident: $table:ident),*) => {$(
        impl ById for $type {
            fn selects() -> &'static Selects {
                static SELECTS: LazyLock<Selects> = LazyLock::new(|| {
                    Selects::of::<$table::Entity>($table::Column::TenantId, $table::Column::Id)
                });
                &SELECTS
            }
        }
    )*};
}

by_id!(Activity: activity, Carrier: carrier, Lead: lead, User: user, Webhook: webhook);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_differ_in_the_id_and_the_lock() {
        let Selects {
            one,
            one_for_update,
            many,
        } = Carrier::selects();

        let (columns, condition) = one.split_once(" WHERE ").unwrap();
        assert!(
            columns.starts_with(r#"SELECT "carriers"."tenant_id", "carriers"."id", "#),
            "{one}"
        );
        assert_eq!(
            condition,
            r#""carriers"."tenant_id" = $1 AND "carriers"."id" = $2"#
        );
        assert_eq!(*one_for_update, format!("{one} FOR NO KEY UPDATE"));
        assert_eq!(*many, one.replace(r#""id" = $2"#, r#""id" = ANY($2)"#));
    }
}
