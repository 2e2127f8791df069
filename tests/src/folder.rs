use std::fs;
use std::path::{Path, PathBuf};

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    #[expect(
        clippy::disallowed_methods,
        reason = "a name nobody else has is all that is wanted"
    )]
    pub fn new(purpose: &str) -> Self {
        let name = format!("fairlead-test-{purpose}-{}", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the folder for temporary files can be written to");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file below it, and returns where.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("the folder is ours");
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the folder is kept: {}", self.0.display());
            return;
        }
        // What is left over costs a little room, and the test has nothing to do with it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
