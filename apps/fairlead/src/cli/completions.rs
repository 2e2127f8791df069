use std::io;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  source <(fairlead completions bash)
  fairlead completions bash > /etc/bash_completion.d/fairlead
  fairlead completions zsh > \"${fpath[1]}/_fairlead\"
  fairlead completions fish > ~/.config/fish/completions/fairlead.fish";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    write(&script(args.shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    // The operations are not read from the description each time somebody runs a command: only a script knows them all.
    let mut command = super::command().mut_subcommand("api", |api| {
        let names = PossibleValuesParser::new(super::api::operations());
        api.mut_arg("operation", |operation| operation.value_parser(names))
    });
    clap_complete::generate(shell, &mut command, "fairlead", &mut script);
    script
}

/// Writes to standard output, for as long as somebody reads.
fn write(bytes: &[u8]) -> anyhow::Result<()> {
    match io::Write::write_all(&mut io::stdout(), bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn each_shell_knows_the_commands_and_the_operations() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();

            assert!(script.contains("bootstrap-sql"), "{shell}");
            // The others complete options and commands alone.
            let has_values = [Shell::Bash, Shell::Zsh].contains(shell);
            assert!(script.contains("getPerformanceStatus") || !has_values, "{shell}");
        }
    }
}
