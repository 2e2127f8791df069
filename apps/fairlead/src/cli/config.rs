use clap::{Args, Subcommand};

use crate::config::{Explanation, Loaded, explain};
use crate::output;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// List every key: value, where it comes from, meaning, unit, what is allowed
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &ConfigCommand, loaded: &Loaded) -> anyhow::Result<()> {
    let ConfigCommand::Explain(args) = command;
    let explanations = explain(loaded);
    if args.json {
        return output::print_json(&explanations);
    }
    output::print(&for_people(&explanations))
}

fn for_people(explanations: &[Explanation]) -> String {
    let keys: Vec<String> = explanations.iter().map(paragraph).collect();
    format!(
        "{}\n\nAn environment variable sets a key: FAIRLEAD__ and the key in capitals, its parts joined by __.",
        keys.join("\n\n"),
    )
}

fn paragraph(key: &Explanation) -> String {
    let Explanation {
        key: name,
        meaning,
        allowed,
        ..
    } = key;
    let unit = key.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let line = match (&key.value, &key.origin) {
        (Some(value), Some(origin)) => format!("{name} = {value}{unit}  [{origin}]"),
        _ => format!("{name} is not set"),
    };
    let aliases = match &key.variables[..] {
        [_, aliases @ ..] if !aliases.is_empty() => format!("\n    also set by {}", aliases.join(", ")),
        _ => String::new(),
    };
    format!("{line}\n    {meaning}\n    allowed: {allowed}{aliases}")
}
