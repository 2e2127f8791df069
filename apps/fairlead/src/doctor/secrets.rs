use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fairlead_auth::{KeyRing, KeyRingError};
use fairlead_domain::clock::Clock as _;

use super::Check;
use crate::config::Config;
use crate::output::chain;
use crate::secret_file;
use crate::system::SystemClock;

pub(super) fn check(config: &Config) -> Vec<Check> {
    let mut checks = vec![installation_secret(config), signing_keys(config)];
    checks.extend(shared_keys(config));
    checks.extend(private_files(&config.data_dir));
    checks
}

fn installation_secret(config: &Config) -> Check {
    const NAME: &str = "secret";
    let fix = "make a new one: openssl rand -hex 32; cursors that clients hold become invalid";
    let (text, place) = if let Some(secret) = &config.security.secret {
        (secret.expose().to_owned(), "security.secret".to_owned())
    } else {
        let path = secret_file::path(&config.data_dir);
        let place = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => (text.trim_end().to_owned(), place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Check::ok(NAME, format!("will be made at the first start, in {place}"));
            }
            Err(error) => {
                let fix = format!("chown it to the user of this process: {place}");
                return Check::fail(NAME, format!("cannot read {place}: {error}"), fix);
            }
        }
    };
    let bits = entropy_bits(&text);
    let detail = format!(
        "{place}: {} bytes, at most {bits:.0} bits of entropy by its characters",
        text.len()
    );
    match text.len() {
        0..32 => Check::fail(NAME, detail, fix),
        _ if bits < 128.0 => Check::warn(NAME, detail, fix),
        _ => Check::ok(NAME, detail),
    }
}

/// Estimates from above how hard a text is to guess: Shannon's entropy of its characters, times their number. A
/// repeated word is worse than this says; a low figure is a bad secret for certain.
fn entropy_bits(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    let of_one = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total);
    let per_character: f64 = of_one.map(|share| -share * share.log2()).sum();
    per_character * total
}

fn signing_keys(config: &Config) -> Check {
    const NAME: &str = "signing keys";
    let folder = config.keys_dir();
    match KeyRing::open(&folder, SystemClock.now()) {
        Ok(ring) => Check::ok(
            NAME,
            format!("{} in {}", ring.public_keys().len(), folder.display()),
        ),
        Err(KeyRingError::NoKeys { .. }) => Check::ok(
            NAME,
            format!("none yet; the first start makes one in {}", folder.display()),
        ),
        Err(error) => Check::fail(
            NAME,
            chain(&error),
            "mend the file, or move it away and run: fairlead keys rotate",
        ),
    }
}

/// With an external database there may be several processes, and each must verify what another has signed.
fn shared_keys(config: &Config) -> Option<Check> {
    let is_local = config.database.url.is_some() && config.auth.keys_dir.is_none();
    is_local.then(|| {
        let detail = format!(
            "kept in {}: a token of this process is refused by others",
            config.keys_dir().display()
        );
        Check::warn(
            "signing keys",
            detail,
            "set auth.keys_dir to a folder that all processes share",
        )
    })
}

/// Files with secrets that a user other than their owner can read.
fn private_files(data_dir: &Path) -> Vec<Check> {
    let names = ["secret", "roles.json", "stack.json"];
    let paths: Vec<PathBuf> = names
        .iter()
        .map(|name| data_dir.join(name))
        .filter(|path| path.exists())
        .collect();
    let exposed: Vec<&PathBuf> = paths.iter().filter(|path| is_exposed(path)).collect();
    if exposed.is_empty() {
        let detail = format!(
            "{} files in {} are their owner's alone",
            paths.len(),
            data_dir.display()
        );
        return vec![Check::ok("file permissions", detail)];
    }
    let check = |path: &&PathBuf| {
        let path = path.display();
        Check::fail(
            "file permissions",
            format!("others can read {path}"),
            format!("chmod 600 {path}"),
        )
    };
    exposed.iter().map(check).collect()
}

fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonous_secret_has_little_entropy_and_a_random_one_much() {
        assert!(entropy_bits(&"a".repeat(64)) < 1.0);
        assert!(entropy_bits("abababababababababababababababab") < 33.0);
        assert!(entropy_bits("8f3a0c5be1d94726a7b2c8d0e4f61395a0b7c3d9e5f2814670b3d5f1a2c4e698") > 200.0);
    }
}
