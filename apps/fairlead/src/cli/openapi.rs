use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use fairlead_api::spec;

use crate::output;

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {
    /// Folder to write openapi.json and problems.md into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &OpenapiArgs) -> anyhow::Result<()> {
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    for (name, text) in [
        ("openapi.json", spec::openapi_json()),
        ("problems.md", spec::problems_markdown()),
    ] {
        let path = args.out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        output::progress(&format!("wrote {}", path.display()));
    }
    Ok(())
}
