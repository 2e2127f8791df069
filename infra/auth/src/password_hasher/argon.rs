//! One password, one hash: argon2id in memory that is lent.

use std::collections::TryReserveError;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self, phc};
use argon2::{Algorithm, Argon2, Params, RECOMMENDED_SALT_LEN, Version};

use super::memory::LentMemory;

/// How many blocks of 1 KiB a hash of ours is made in.
pub(super) const OUR_BLOCKS: usize = OURS.block_count();

/// The minimum that the OWASP password storage cheat sheet gives: m = 19 MiB, t = 2, p = 1.
const OURS: Params = match Params::new(19_456, 2, 1, Some(Params::DEFAULT_OUTPUT_LEN)) {
    Ok(params) => params,
    Err(_) => panic!("the parameters are within the bounds of RFC 9106"),
};

/// What RFC 9106 recommends where memory is short. A stored hash that asks for more is not one of ours, and must not
/// have as much of this process as it likes.
const MOST_KIBIBYTES: u32 = 65_536;
const MOST_PASSES: u32 = 16;

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArgonError {
    #[error(
        "the hash asks for {kibibytes} KiB and {passes} passes; at most {MOST_KIBIBYTES} KiB and {MOST_PASSES} \
         passes are granted"
    )]
    TooCostly { kibibytes: u32, passes: u32 },
    #[error("no memory to hash a password in")]
    NoMemory(#[from] TryReserveError),
    #[error(transparent)]
    Argon(#[from] argon2::Error),
    #[error(transparent)]
    Hash(#[from] password_hash::Error),
    #[error(transparent)]
    Text(#[from] phc::Error),
}

const ALGORITHM: Algorithm = Algorithm::Argon2id;
const VERSION: Version = Version::V0x13;

/// Hashes with a new salt; returns a PHC string.
pub(super) fn hash(password: &[u8], memory: &mut LentMemory) -> Result<String, ArgonError> {
    let salt = new_salt()?;
    let output = compute(&Argon2::new(ALGORITHM, VERSION, OURS), password, &salt, memory)?;
    ours(salt, output)
}

/// Makes up a hash, which takes as long to check as any of ours: nobody has a password that it would be the hash of.
pub(super) fn of_nothing() -> Result<String, ArgonError> {
    ours(
        new_salt()?,
        Output::new(&rand::random::<[u8; Params::DEFAULT_OUTPUT_LEN]>())?,
    )
}

fn new_salt() -> Result<Salt, ArgonError> {
    Ok(Salt::new(&rand::random::<[u8; RECOMMENDED_SALT_LEN]>())?)
}

fn ours(salt: Salt, output: Output) -> Result<String, ArgonError> {
    let hash = PasswordHash {
        algorithm: ALGORITHM.ident(),
        version: Some(VERSION.into()),
        params: ParamsString::try_from(&OURS)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Takes the parameters from the hash, so that hashes made with earlier parameters stay good.
pub(super) fn verify(password: &[u8], hash: &str, memory: &mut LentMemory) -> Result<bool, ArgonError> {
    let hash = PasswordHash::new(hash)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
    let params = Params::try_from(&hash)?;
    if params.m_cost() > MOST_KIBIBYTES || params.t_cost() > MOST_PASSES {
        return Err(ArgonError::TooCostly {
            kibibytes: params.m_cost(),
            passes: params.t_cost(),
        });
    }
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        // A hash cut short is no password's.
        return Ok(false);
    };
    let computed = compute(&Argon2::new(algorithm, version, params), password, salt, memory)?;
    // `Output` compares in constant time.
    Ok(computed == *expected)
}

fn compute(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    memory: &mut LentMemory,
) -> Result<Output, ArgonError> {
    let mut output = [0; Output::MAX_LENGTH];
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let output = output.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
    let blocks = memory.blocks(argon2.params().block_count())?;
    argon2.hash_password_into_with_memory(password, salt, output, blocks)?;
    Ok(Output::new(output)?)
}
