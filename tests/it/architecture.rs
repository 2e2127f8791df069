//! Who may depend on whom, held against `cargo metadata`: a use of the wrong crate fails here, not in review.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Every package, and the packages of ours it may use. A package that is not here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    // The only one that sees both sides.
    (
        "fairlead",
        &[
            "fairlead-api",
            "fairlead-auth",
            "fairlead-cache",
            "fairlead-devstack",
            "fairlead-domain",
            "fairlead-http",
            "fairlead-migrations",
            "fairlead-postgres",
            "fairlead-rabbitmq",
            "fairlead-telemetry",
            "fairlead-worker",
        ],
    ),
    ("fairlead-api", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-auth", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-cache", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-devstack", &[]),
    ("fairlead-domain", &[]),
    ("fairlead-http", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-migrations", &[]),
    ("fairlead-postgres", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-rabbitmq", &["fairlead-domain", "fairlead-telemetry"]),
    ("fairlead-telemetry", &[]),
    (
        "fairlead-tests",
        &[
            "fairlead",
            "fairlead-api",
            "fairlead-auth",
            "fairlead-cache",
            "fairlead-devstack",
            "fairlead-domain",
            "fairlead-migrations",
            "fairlead-postgres",
            "fairlead-rabbitmq",
            "fairlead-telemetry",
            "fairlead-worker",
        ],
    ),
    ("fairlead-worker", &["fairlead-domain", "fairlead-telemetry"]),
    // Light to build: it is compiled before the first command does anything.
    ("xtask", &["fairlead-devstack"]),
];

/// All that the domain may use: nothing here does I/O, reads the clock or makes up an id.
const OF_THE_DOMAIN: &[&str] = &[
    "async-trait",
    "bytes",
    "serde",
    "serde_json",
    "thiserror",
    "time",
    "unicode-normalization",
    "uuid",
];

/// Each heavy technology, and the packages that may speak to it.
const KEEPERS: &[(&str, &[&str])] = &[
    ("actix-web", &["fairlead", "fairlead-api"]),
    ("argon2", &["fairlead-auth"]),
    ("clap", &["fairlead", "xtask"]),
    ("config", &["fairlead"]),
    ("deadpool-redis", &["fairlead-cache"]),
    ("failsafe", &["fairlead-http"]),
    ("jsonwebtoken", &["fairlead-auth", "fairlead-tests"]),
    ("lapin", &["fairlead-rabbitmq", "fairlead-tests"]),
    ("moka", &["fairlead-api", "fairlead-cache"]),
    ("redis", &["fairlead-cache", "fairlead-tests"]),
    ("reqwest", &["fairlead-http", "fairlead-tests"]),
    ("sea-orm", &["fairlead-postgres"]),
    ("sea-orm-migration", &["fairlead-migrations"]),
    ("sqlparser", &["fairlead-postgres"]),
    ("sqlx", &["fairlead-migrations", "fairlead-tests"]),
    ("tokio-postgres", &["fairlead-postgres"]),
    ("utoipa", &["fairlead-api"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Set for packages of ours alone.
    path: Option<PathBuf>,
    /// `None`: used by the package itself; else `dev` or `build`.
    kind: Option<String>,
}

impl Package {
    fn ours(&self) -> BTreeSet<&str> {
        let ours = self
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some());
        ours.map(|dependency| dependency.name.as_str()).collect()
    }

    fn uses(&self, name: &str) -> bool {
        self.dependencies
            .iter()
            .any(|dependency| dependency.name == name && dependency.kind.is_none())
    }

    fn manifest(&self) -> String {
        fs::read_to_string(&self.manifest_path).expect("cargo has just read it")
    }
}

fn packages() -> Vec<Package> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(workspace)
        .output()
        .expect("the cargo that built this runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata.packages
}

#[test]
fn packages_depend_on_each_other_along_the_arrows_alone() {
    let packages = packages();

    for package in &packages {
        let arrows = ARROWS.iter().find(|(name, _)| *name == package.name);
        let (_, allowed) = arrows.unwrap_or_else(|| panic!("say in ARROWS whom {} may use", package.name));
        let beyond: Vec<&str> = package
            .ours()
            .into_iter()
            .filter(|name| !allowed.contains(name))
            .collect();
        assert_eq!(
            beyond,
            Vec::<&str>::new(),
            "{} must not depend on these",
            package.name
        );
    }
    assert_eq!(
        packages.len(),
        ARROWS.len(),
        "ARROWS names a package that is gone"
    );
}

#[test]
fn the_domain_does_no_io() {
    let packages = packages();
    let domain = packages
        .iter()
        .find(|package| package.name == "fairlead-domain")
        .expect("there is a domain");

    let beyond: Vec<&str> = domain
        .dependencies
        .iter()
        // What its tests use does not come with it.
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !OF_THE_DOMAIN.contains(name))
        .collect();

    assert_eq!(beyond, Vec::<&str>::new());
}

#[test]
fn each_heavy_technology_is_known_to_its_own_packages_alone() {
    for package in packages() {
        for (technology, keepers) in KEEPERS {
            let may = keepers.contains(&package.name.as_str());
            assert!(
                may || !package.uses(technology),
                "{} must not know {technology}",
                package.name
            );
        }
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = package.manifest();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}",
            package.manifest_path.display()
        );
    }
}

#[test]
fn versions_stand_in_the_workspace_manifest_alone() {
    for package in packages() {
        let manifest = package.manifest();
        let mut in_dependencies = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies && !line.trim().is_empty() && !line.starts_with('#') {
                let path = package.manifest_path.display();
                assert!(
                    line.contains("workspace = true"),
                    "{path}: give `{line}` its version in the root"
                );
            }
        }
    }
}
