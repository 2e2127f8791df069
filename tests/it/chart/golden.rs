//! What is kept beside the code, and compared.

use std::fmt::Write as _;

use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};

use super::{PRESETS, Rendered, chart, compare, workspace};

#[test]
fn each_preset_renders_to_what_is_kept() {
    for preset in PRESETS {
        let rendered = Rendered::with(&[format!("presets/{preset}")]);

        let path = format!("tests/it/chart/golden/{preset}.yaml");
        compare(&workspace().join(path), &rendered.text);
    }
}

#[test]
fn the_roles_of_a_database_that_is_installed_beside_are_those_that_the_program_asks_for() {
    let [owner, app, system] = ["owner", "app", "system"];
    let mut sql = bootstrap_sql(&BootstrapPasswords { owner, app, system });
    let mut expected =
        "-- What `fairlead bootstrap-sql` prints, for psql: passwords come from the environment. A test compares.\n"
            .to_owned();
    for role in [owner, app, system] {
        writeln!(
            expected,
            "\\getenv {role}_password FAIRLEAD_BOOTSTRAP_{}_PASSWORD",
            role.to_uppercase()
        )
        .unwrap();
        let literal = format!("PASSWORD  E'{role}'");
        assert_eq!(sql.matches(&literal).count(), 1, "{sql}");
        sql = sql.replace(&literal, &format!("PASSWORD :'{role}_password'"));
    }
    write!(
        expected,
        "\n{sql}\n-- CREATE DATABASE knows no IF NOT EXISTS; \\gexec is psql's.\n\
         SELECT 'CREATE DATABASE fairlead OWNER fairlead_owner'\n\
         WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'fairlead') \\gexec\n"
    )
    .unwrap();

    compare(&chart().join("files/bootstrap.sql"), &expected);
}
