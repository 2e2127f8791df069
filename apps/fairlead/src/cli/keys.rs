use anyhow::Context as _;
use clap::{Args, Subcommand};
use fairlead_auth::{KeyRing, PublicKey};
use fairlead_domain::clock::Clock as _;
use serde_json::{Value, json};

use crate::config::Config;
use crate::output;
use crate::system::SystemClock;

const EXAMPLES: &str = "\
Examples:
  fairlead keys rotate    a new key takes over; nobody is logged out
  fairlead keys prune     delete keys that no living token was signed by
  fairlead keys list";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum KeysCommand {
    /// List the keys and say which one signs now
    List(KeysArgs),
    /// Add a key that takes over once every process has read it
    Rotate(KeysArgs),
    /// Delete the keys that cannot have signed a token that is still good
    Prune(KeysArgs),
}

#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &KeysCommand, config: &Config) -> anyhow::Result<()> {
    let folder = config.keys_dir();
    let now = SystemClock.now();
    match command {
        KeysCommand::List(args) => {
            let ring = KeyRing::open(&folder, now).context("cannot read the keys")?;
            show(args, &ring.public_keys(), &ring.signer(now))
        }
        KeysCommand::Rotate(args) => {
            let ring = KeyRing::open_or_create(&folder, now).context("cannot read the keys")?;
            let key = ring
                .rotate(now, KeyRing::DEFAULT_OVERLAP)
                .context("cannot add a key")?;
            if args.json {
                return output::print_json(&view(&key, "next"));
            }
            output::print(&format!(
                "Key {} signs from {}.",
                key.id,
                output::moment(key.signs_from)
            ))
        }
        KeysCommand::Prune(args) => {
            let ring = KeyRing::open(&folder, now).context("cannot read the keys")?;
            let pruned = ring
                .prune(now, config.auth.access_ttl)
                .context("cannot delete keys")?;
            if args.json {
                return output::print_json(
                    &pruned.iter().map(|key| view(key, "deleted")).collect::<Vec<_>>(),
                );
            }
            output::print(&format!(
                "Deleted {} keys, kept {}.",
                pruned.len(),
                ring.public_keys().len()
            ))
        }
    }
}

fn show(args: &KeysArgs, keys: &[PublicKey], signer: &PublicKey) -> anyhow::Result<()> {
    let state = |key: &PublicKey| match key.signs_from.cmp(&signer.signs_from) {
        std::cmp::Ordering::Less => "verifies",
        std::cmp::Ordering::Equal => "signs",
        std::cmp::Ordering::Greater => "next",
    };
    if args.json {
        return output::print_json(&keys.iter().map(|key| view(key, state(key))).collect::<Vec<_>>());
    }
    let heading = ["KEY", "SIGNS FROM", "STATE"].map(str::to_owned).to_vec();
    let row = |key: &PublicKey| {
        vec![
            key.id.clone(),
            output::moment(key.signs_from),
            state(key).to_owned(),
        ]
    };
    output::print(&output::table(
        &std::iter::once(heading)
            .chain(keys.iter().map(row))
            .collect::<Vec<_>>(),
    ))
}

fn view(key: &PublicKey, state: &str) -> Value {
    json!({ "id": key.id, "signsFrom": output::moment(key.signs_from), "state": state })
}
