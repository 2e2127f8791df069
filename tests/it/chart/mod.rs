//! The Helm chart, rendered by Helm itself and judged by the schemas of Kubernetes, without a cluster or a network.
//!
//! What this does not show: that a cluster admits it, that images can be pulled, and that controllers do what is asked.

mod alerts;
mod golden;
mod image;
mod keys;
mod rendered;
mod values;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// The oldest Kubernetes that the chart says it runs on, and the newest whose schemas there are.
pub(super) const VERSIONS: [&str; 2] = ["1.30", "1.37"];
pub(super) const PRESETS: [&str; 3] = ["development", "high-performance", "cost-optimized"];
pub(super) const SIZES: [&str; 4] = ["current", "growth", "scale", "enterprise"];

/// What Helm made of the chart.
#[derive(Debug, Deserialize)]
pub(super) struct Rendered {
    #[serde(skip)]
    pub(super) text: String,
    pub(super) documents: Vec<Value>,
    /// What Kubernetes would refuse.
    pub(super) faults: Vec<String>,
}

impl Rendered {
    /// Renders for the newest Kubernetes, as an installation; `arguments` are Helm's.
    #[track_caller]
    pub(super) fn of(arguments: &[&str]) -> Self {
        let text = helm(VERSIONS[1], arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        let mut rendered: Self = serde_json::from_slice(&documents(&text, "")).unwrap();
        rendered.text = text;
        rendered
    }

    /// Renders for a version of Kubernetes, and has its schemas judge it.
    #[track_caller]
    pub(super) fn judged(version: &str, files: &[String]) -> Self {
        let files = paths(files);
        let text = helm(version, &as_values(&files)).unwrap_or_else(|error| panic!("{files:?}: {error}"));
        serde_json::from_slice(&documents(&text, version)).unwrap()
    }

    /// With values files of the chart, such as `presets/development`.
    #[track_caller]
    pub(super) fn with(files: &[String]) -> Self {
        Self::of(&as_values(&paths(files)))
    }

    /// Production, as most look at it.
    pub(super) fn production() -> &'static Self {
        static PRODUCTION: LazyLock<Rendered> =
            LazyLock::new(|| Rendered::with(&["presets/high-performance".to_owned()]));
        &PRODUCTION
    }

    /// Every combination that is documented, with its values files.
    pub(super) fn all() -> &'static [(Vec<String>, Self)] {
        static ALL: LazyLock<Vec<(Vec<String>, Rendered)>> = LazyLock::new(|| {
            let combinations = combinations().into_iter();
            combinations
                .map(|files| (files.clone(), Rendered::with(&files)))
                .collect()
        });
        &ALL
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.documents
            .iter()
            .filter(move |document| document["kind"] == kind)
    }

    #[track_caller]
    pub(super) fn find(&self, kind: &str, name: &str) -> &Value {
        let is_it = |document: &&Value| document["kind"] == kind && document["metadata"]["name"] == name;
        let found = self.documents.iter().find(is_it);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }
}

/// Every combination that is documented: each preset, and production in each size.
pub(super) fn combinations() -> Vec<Vec<String>> {
    let presets = PRESETS.map(|preset| vec![format!("presets/{preset}")]);
    let sizes = SIZES.map(|size| vec!["presets/high-performance".to_owned(), format!("sizes/{size}")]);
    presets.into_iter().chain(sizes).collect()
}

fn paths(files: &[String]) -> Vec<String> {
    let path = |file| format!("{}/{file}.yaml", chart().display());
    files.iter().map(path).collect()
}

fn as_values(paths: &[String]) -> Vec<&str> {
    paths.iter().flat_map(|path| ["--values", path]).collect()
}

/// Renders the chart; what Helm has to say where it does not.
pub(super) fn helm(version: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(tool("helm"))
        .args(["template", "fairlead"])
        .arg(chart())
        .args(["--namespace", "fairlead", "--kube-version", version])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// Reads YAML; with a version, judges it by the schemas of that Kubernetes.
fn documents(text: &str, version: &str) -> Vec<u8> {
    let mut reading = Command::new(tool("python"))
        .arg(workspace().join("tests/it/chart/documents.py"))
        .args((!version.is_empty()).then_some(version))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reading.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = reading.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Reads YAML that is no manifest.
pub(super) fn yaml(text: &str) -> Value {
    let mut read: Rendered = serde_json::from_slice(&documents(text, "")).unwrap();
    assert_eq!(read.documents.len(), 1);
    read.documents.remove(0)
}

#[expect(clippy::disallowed_methods, reason = "how the run tells the test")]
pub(super) fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("FAIRLEAD_TEST_CHART_TOOLS");
    let folder =
        folder.expect("`cargo xtask test` installs what the chart is checked by, and says why it cannot");
    Path::new(&folder).join(name)
}

pub(super) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(super) fn chart() -> PathBuf {
    workspace().join("helm/fairlead")
}

/// Compares a file of the project with what it should be; with `UPDATE_GOLDEN` it becomes that.
#[expect(clippy::disallowed_methods, reason = "how the run's owner tells the test")]
#[track_caller]
pub(super) fn compare(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    assert!(
        kept == text,
        "{} is out of date, first at {differs:?}; if the change is meant: UPDATE_GOLDEN=1 cargo xtask test chart::",
        path.display()
    );
}
