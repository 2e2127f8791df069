use std::fs;
use std::path::{Path, PathBuf};

/// A folder for one test, gone when it ends.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("fairlead-auth-{:032x}", rand::random::<u128>()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A test that already fails must not fail again over what it leaves behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}
