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
    let heading = ["KEY", "VALUE", "UNIT", "ORIGIN", "MEANING", "ALLOWED"].map(str::to_owned).to_vec();
    let row = |key: &Explanation| {
        vec![
            key.key.to_owned(),
            key.value.clone().unwrap_or_else(|| "-".to_owned()),
            key.unit.unwrap_or_default().to_owned(),
            key.origin.clone().unwrap_or_else(|| "not set".to_owned()),
            key.meaning.to_owned(),
            key.allowed.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(explanations.iter().map(row)).collect();
    let aliases = explanations.iter().filter(|key| key.variables.len() > 1).map(|key| {
        let others: Vec<&str> = key.variables.iter().skip(1).map(String::as_str).collect();
        format!("  {}: {}", key.key, others.join(", "))
    });
    format!(
        "{}\n\nEnvironment: FAIRLEAD__ and the key in capitals, its parts joined by __ (FAIRLEAD__HTTP__PORT). \
         Also understood:\n{}",
        output::table(&rows),
        aliases.collect::<Vec<_>>().join("\n"),
    )
}
