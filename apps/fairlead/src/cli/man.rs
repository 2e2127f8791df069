use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;

use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead man | man -l -
  fairlead man --out /usr/local/share/man/man1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArgs {
    /// Folder to write a page for each command into: fairlead.1, fairlead-serve.1, …
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> anyhow::Result<()> {
    let command = super::command();
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return output::print(String::from_utf8(page)?.trim_end());
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut pages = 0;
    write_each(&command, folder, &mut pages)?;
    output::progress(&format!(
        "wrote {} to {}",
        output::counted(pages, "page"),
        folder.display()
    ));
    Ok(())
}

/// Writes the page of a command, and those of all below it.
fn write_each(command: &clap::Command, folder: &std::path::Path, pages: &mut u64) -> anyhow::Result<()> {
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    let name = man.get_filename();
    man.render(&mut page)?;
    let path = folder.join(name);
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    *pages += 1;
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        write_each(below, folder, pages)?;
    }
    Ok(())
}
