use std::fmt;

pub(crate) const TEMPLATE: &str = include_str!("sql/bootstrap.sql");

/// The passwords that the three roles shall have.
#[derive(Clone, Copy)]
pub struct BootstrapPasswords<'a> {
    pub owner: &'a str,
    pub app: &'a str,
    pub system: &'a str,
}

impl fmt::Debug for BootstrapPasswords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootstrapPasswords(…)")
    }
}

/// The SQL that a superuser runs once per cluster, before any database of ours exists; running it again is harmless
/// and sets the passwords anew.
pub fn bootstrap_sql(passwords: &BootstrapPasswords<'_>) -> String {
    let values = [
        ("{owner_password}", passwords.owner),
        ("{app_password}", passwords.app),
        ("{system_password}", passwords.system),
    ];
    let mut sql = String::new();
    let mut rest = TEMPLATE;
    // One pass, so that a password which looks like a placeholder stays a password.
    for (placeholder, value) in values {
        let (before, after) = rest
            .split_once(placeholder)
            .expect("the template names each password once, in this order");
        sql.push_str(before);
        sql.push_str(&literal(value));
        rest = after;
    }
    sql.push_str(rest);
    sql
}

/// Quotes a text so that it means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_quoted() {
        assert_eq!(literal("plain"), " E'plain'");
        assert_eq!(literal(r"it's a \ trap"), r" E'it\'s a \\ trap'");
    }

    #[test]
    fn a_password_that_looks_like_a_placeholder_stays_a_password() {
        let sql = bootstrap_sql(&BootstrapPasswords {
            owner: "{app_password}",
            app: "b",
            system: "c",
        });

        assert!(sql.contains("PASSWORD  E'{app_password}'"));
    }

    #[test]
    fn no_placeholder_is_left() {
        let sql = bootstrap_sql(&BootstrapPasswords {
            owner: "a",
            app: "b",
            system: "c",
        });

        assert!(!sql.contains("_password}"));
        assert!(sql.contains("PASSWORD  E'b'"));
    }
}
