//! The secret of an installation with the embedded database: made at the first start, found again at the next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fairlead_devstack::Password;

use crate::config::{Config, Secret};

/// Returns `security.secret`, or the one in the data folder, made if need be.
pub(crate) fn installation_secret(config: &Config) -> anyhow::Result<Secret> {
    match &config.security.secret {
        Some(secret) => Ok(secret.clone()),
        None => load_or_generate(&config.data_dir),
    }
}

/// Returns where the generated secret is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("secret")
}

fn load_or_generate(data_dir: &Path) -> anyhow::Result<Secret> {
    let path = path(data_dir);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Secret::new(text.trim_end())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
            // Twice 128 random bits, in 64 hexadecimal digits.
            let secret = format!(
                "{}{}",
                Password::generate()?.reveal(),
                Password::generate()?.reveal()
            );
            fairlead_devstack::write_private(&path, &secret)?;
            Ok(Secret::new(secret))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_generated_secret_is_found_again_and_is_its_owners_alone() {
        let folder = std::env::temp_dir().join(format!("fairlead-secret-{}", std::process::id()));

        let made = load_or_generate(&folder).unwrap();
        let found = load_or_generate(&folder).unwrap();

        let permissions = fs::metadata(path(&folder)).unwrap().permissions();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(made.expose(), found.expose());
        assert_eq!(made.expose().len(), 64);
        assert_eq!(permissions.mode() & 0o777, 0o600);
    }
}
