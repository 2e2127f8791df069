use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use time::macros::datetime;

use super::*;
use crate::temporary::TemporaryFolder;

const NOW: OffsetDateTime = datetime!(2026-11-21 03:36:00.5 UTC);
const LIFETIME: Duration = Duration::minutes(15);

fn ids(keys: &[PublicKey]) -> Vec<&str> {
    keys.iter().map(|key| key.id.as_str()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// A folder with one key, and the path of that key.
fn with_key() -> (TemporaryFolder, PathBuf) {
    let folder = TemporaryFolder::new();
    KeyRing::open_or_create(folder.path(), NOW).unwrap();
    let key = folder.path().join("20261121T033600Z.pem");
    (folder, key)
}

fn fault(folder: &Path) -> KeyFault {
    match KeyRing::open(folder, NOW).unwrap_err() {
        KeyRingError::Unusable { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn the_first_key_is_made_only_when_asked_for() {
    let folder = TemporaryFolder::new();
    let keys = folder.path().join("data/keys");

    assert!(matches!(
        KeyRing::open(&keys, NOW),
        Err(KeyRingError::NoKeys { .. })
    ));
    assert!(!keys.exists());
    let ring = KeyRing::open_or_create(&keys, NOW).unwrap();

    assert_eq!(names(&keys), ["20261121T033600Z.pem"]);
    assert_eq!(fs::metadata(&keys).unwrap().mode() & 0o777, 0o700);
    assert_eq!(
        fs::metadata(keys.join("20261121T033600Z.pem")).unwrap().mode() & 0o777,
        0o600
    );
    let again = KeyRing::open_or_create(&keys, NOW + Duration::DAY).unwrap();
    assert_eq!(again.public_keys(), ring.public_keys());
}

#[test]
fn a_new_key_signs_from_its_moment_and_verifies_before() {
    let (folder, _) = with_key();
    let ring = KeyRing::open(folder.path(), NOW).unwrap();
    let old = ring.signer(NOW);

    let new = ring.rotate(NOW, KeyRing::DEFAULT_OVERLAP).unwrap();

    assert_eq!(
        new.signs_from,
        datetime!(2026-11-21 03:38:01 UTC),
        "rounded up, so never early"
    );
    assert_eq!(ring.signer(new.signs_from - Duration::SECOND), old);
    assert_eq!(ring.signer(new.signs_from), new);
    assert!(ring.current().find(&new.id).is_some() && ring.current().find(&old.id).is_some());
}

#[test]
fn another_process_learns_of_a_new_key_by_reloading() {
    let (folder, _) = with_key();
    let ours = KeyRing::open(folder.path(), NOW).unwrap();
    let theirs = KeyRing::open(folder.path(), NOW).unwrap();

    let new = ours.rotate(NOW, KeyRing::DEFAULT_OVERLAP).unwrap();

    assert!(theirs.current().find(&new.id).is_none());
    theirs.reload().unwrap();
    assert_eq!(theirs.public_keys(), ours.public_keys());
}

#[test]
fn two_keys_cannot_sign_from_the_same_moment() {
    let (folder, _) = with_key();
    let ring = KeyRing::open(folder.path(), NOW).unwrap();
    let first = ring.rotate(NOW, Duration::MINUTE).unwrap();

    let second = ring.rotate(NOW, Duration::MINUTE);

    assert!(matches!(second, Err(KeyRingError::Exists { .. })), "{second:?}");
    assert_eq!(
        ring.public_keys()[1],
        first,
        "the key that was there is untouched"
    );
    assert_eq!(names(folder.path()).len(), 2, "no draft is left");
}

#[test]
fn a_key_is_pruned_once_no_token_of_its_can_be_good() {
    let (folder, _) = with_key();
    let ring = KeyRing::open(folder.path(), NOW).unwrap();
    let old = ring.signer(NOW);
    let new = ring.rotate(NOW, Duration::MINUTE).unwrap();
    let gone = new.signs_from + LIFETIME + CLOCK_SKEW;

    assert_eq!(ring.prune(gone, LIFETIME).unwrap(), []);
    assert_eq!(
        ring.prune(gone + Duration::SECOND, LIFETIME).unwrap(),
        std::slice::from_ref(&old)
    );

    assert_eq!(ids(&ring.public_keys()), [new.id.as_str()]);
    assert_eq!(
        ring.prune(gone + Duration::DAY, LIFETIME).unwrap(),
        [],
        "the last key stays"
    );
}

#[test]
fn a_ring_whose_folder_is_lost_keeps_its_keys() {
    let (folder, key) = with_key();
    let ring = KeyRing::open(folder.path(), NOW).unwrap();
    let before = ring.public_keys();
    fs::remove_file(key).unwrap();

    let reloaded = ring.reload();

    assert!(
        matches!(reloaded, Err(KeyRingError::NoKeys { .. })),
        "{reloaded:?}"
    );
    assert_eq!(ring.public_keys(), before);
}

#[test]
fn a_key_of_the_future_alone_is_refused() {
    let (folder, _) = with_key();

    let result = KeyRing::open(folder.path(), NOW - Duration::DAY);

    assert!(
        matches!(result, Err(KeyRingError::NoneSignsYet { .. })),
        "{result:?}"
    );
}

#[test]
fn a_key_that_others_can_read_or_change_is_refused_with_the_command_that_mends_it() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
        let (folder, key) = with_key();
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();

        let fault = fault(folder.path()).to_string();

        assert!(
            fault.ends_with(&format!("mend it: chmod 600 {}", key.display())),
            "{mode:o}: {fault}"
        );
    }
    let (folder, key) = with_key();
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    assert!(KeyRing::open(folder.path(), NOW).is_ok());
}

#[test]
fn a_key_of_another_user_is_refused() {
    let (folder, key) = with_key();
    if chown(&key, Some(65_533), None).is_err() {
        // Only root can give a file away; an ordinary user borrows one that is not its own.
        fs::remove_file(&key).unwrap();
        symlink("/proc/1/stat", &key).unwrap();
        let owner = fs::metadata(&key).unwrap().uid();
        assert_ne!(owner, fs::metadata(folder.path()).unwrap().uid());
    }

    let fault = fault(folder.path());

    assert!(
        matches!(
            fault,
            KeyFault::Owner { .. } | KeyFault::Permissions { mode: "640", .. }
        ),
        "{fault}"
    );
}

#[test]
fn a_key_that_is_mounted_as_a_link_is_read() {
    let (folder, key) = with_key();
    let mounted = TemporaryFolder::new();
    symlink(&key, mounted.path().join("20261120T000000Z.pem")).unwrap();
    fs::create_dir(mounted.path().join("..data")).unwrap();
    fs::write(mounted.path().join("README"), "not a key").unwrap();

    let ring = KeyRing::open(mounted.path(), NOW).unwrap();

    assert_eq!(
        ring.signer(NOW).id,
        KeyRing::open(folder.path(), NOW).unwrap().signer(NOW).id
    );
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let foreign = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----\n";
    for content in [
        "",
        "no key",
        foreign,
        "\u{0}",
        "-----END PRIVATE KEY----------BEGIN PRIVATE KEY-----",
    ] {
        let (folder, key) = with_key();
        fs::write(key, content).unwrap();

        assert!(matches!(fault(folder.path()), KeyFault::Content), "{content:?}");
    }
    let (folder, key) = with_key();
    fs::write(key, [0xff, 0xfe]).unwrap();
    assert!(matches!(fault(folder.path()), KeyFault::Content));
}

#[test]
fn a_key_whose_name_is_no_moment_is_refused() {
    for name in [
        "key.pem",
        "20261321T033600Z.pem",
        "2026-11-21.pem",
        "20261121T033600.pem",
    ] {
        let (folder, key) = with_key();
        fs::copy(key, folder.path().join(name)).unwrap();

        assert!(matches!(fault(folder.path()), KeyFault::Name), "{name}");
    }
}
