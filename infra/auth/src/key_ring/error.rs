use std::io;
use std::path::PathBuf;

use time::OffsetDateTime;

/// Why there are no keys to sign with, or not the ones asked for.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("there is no signing key in {}", folder.display())]
    NoKeys { folder: PathBuf },
    #[error("no key in {} signs before {from}; the clock of this machine may be wrong", folder.display())]
    NoneSignsYet { folder: PathBuf, from: OffsetDateTime },
    #[error("there is already a key in {}", path.display())]
    Exists { path: PathBuf },
    #[error("{} cannot be used as a signing key", path.display())]
    Unusable { path: PathBuf, source: KeyFault },
    #[error("a signing key could not be made")]
    NotMade,
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// What is wrong with a key file, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error("its name is not the UTC moment from which it signs, such as `20261121T033600Z.pem`")]
    Name,
    #[error("others can read or change it; mend it: chmod {mode} {}", path.display())]
    Permissions { mode: &'static str, path: PathBuf },
    #[error("it belongs to user {owner}; mend it: chown {us} {}", path.display())]
    Owner { owner: u32, us: u32, path: PathBuf },
    #[error(
        "it is not an Ed25519 private key in PKCS#8 PEM form; make one: openssl genpkey -algorithm ed25519"
    )]
    Content,
}
