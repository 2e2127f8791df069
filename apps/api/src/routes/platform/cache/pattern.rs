use fairlead_domain::Id;
use fairlead_domain::cache::{Invalidate, Namespace};
use fairlead_domain::identity::TenantId;

use crate::query::hyphenated;

/// Another word for a kind of answers.
const ALIASES: [(&str, Namespace); 2] = [
    ("stats", Namespace::LeadStatistics),
    ("statistics", Namespace::LeadStatistics),
];

/// Reads a pattern of keys as what it stands for: `leads*`, `tenant:<id>:leads*`, `tenant:<id>:*`, `*`.
///
/// Keys are not searched. A pattern that ends with a star and names kinds of answers by how they begin means the same
/// as dropping those kinds; any other is refused with what to use instead.
pub(super) fn parse(pattern: &str) -> Result<Vec<Invalidate>, String> {
    let (tenant, rest) = match pattern.strip_prefix("tenant:") {
        None => (None, pattern),
        Some(rest) => {
            let (id, rest) = rest.split_once(':').ok_or_else(refused)?;
            (Some(tenant_id(id)?), rest)
        }
    };
    let prefix = rest.strip_suffix('*').ok_or_else(refused)?;
    // `leads:*` as well as `leads*`.
    let prefix = prefix.strip_suffix(':').unwrap_or(prefix);
    if prefix.is_empty() {
        return Ok(vec![match tenant {
            Some(tenant) => Invalidate::Tenant(tenant),
            None => Invalidate::Everything,
        }]);
    }
    let alias = |namespace: Namespace| {
        let mut aliases = ALIASES.iter().filter(|(_, meant)| *meant == namespace);
        aliases.any(|(alias, _)| alias.starts_with(prefix))
    };
    let meant: Vec<_> = Namespace::ALL
        .into_iter()
        .filter(|namespace| namespace.as_str().starts_with(prefix) || alias(*namespace))
        .map(|namespace| Invalidate::Namespace(tenant, namespace))
        .collect();
    if meant.is_empty() {
        Err(refused())
    } else {
        Ok(meant)
    }
}

fn tenant_id(text: &str) -> Result<TenantId, String> {
    hyphenated(text).map(Id::from_uuid).ok_or_else(refused)
}

fn refused() -> String {
    let names = Namespace::ALL.map(Namespace::as_str).join(", ");
    format!(
        "must be *, tenant:<id>:*, or the beginning of a kind of answers with a star, such as leads* or \
         tenant:<id>:leads*; the kinds are {names}. Drop single answers by key, and what depends on one thing by tag"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "01934f6e-7b1a-7cc3-98a4-0242ac120001";

    fn tenant() -> TenantId {
        Id::from_uuid(TENANT.parse().unwrap())
    }

    #[test]
    fn a_pattern_names_kinds_of_answers_by_how_they_begin() {
        let of_leads = |tenant| {
            [
                Namespace::LeadList,
                Namespace::Lead,
                Namespace::LeadStatistics,
                Namespace::LeadSearch,
            ]
            .map(|namespace| Invalidate::Namespace(tenant, namespace))
        };

        assert_eq!(parse("leads*").unwrap(), of_leads(None));
        assert_eq!(parse("leads:*").unwrap(), of_leads(None));
        assert_eq!(
            parse(&format!("tenant:{TENANT}:leads*")).unwrap(),
            of_leads(Some(tenant()))
        );
        assert_eq!(
            parse("stats*").unwrap(),
            [Invalidate::Namespace(None, Namespace::LeadStatistics)]
        );
    }

    #[test]
    fn a_star_alone_means_all_there_is() {
        assert_eq!(parse("*").unwrap(), [Invalidate::Everything]);
        assert_eq!(
            parse(&format!("tenant:{TENANT}:*")).unwrap(),
            [Invalidate::Tenant(tenant())]
        );
    }

    #[test]
    fn any_other_pattern_is_refused_with_what_to_use() {
        for pattern in [
            "",
            "leads",
            "*leads",
            "le*ds*",
            "nothing*",
            "tenant:*",
            "tenant:x:*",
            "lead?*",
        ] {
            let refusal = parse(pattern).unwrap_err();
            assert!(
                refusal.contains("leads.list") && refusal.contains("by tag"),
                "{pattern}"
            );
        }
    }
}
