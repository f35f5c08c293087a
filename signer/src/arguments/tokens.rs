//! The verbs of `bulla-signer tokens`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use bulla_signer::clock::{Clock, SystemClock};
use bulla_signer::config::Config;
use bulla_signer::token::{Inventory, Item};

use super::keys::open_keys;

/// What to do with the tokens of the configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokensVerb {
    /// Prints a line for each private key on each token: token, object, key, state of its row, label
    List,
    /// Destroys a private key on a token that no row names, and its public half
    Destroy {
        /// The token's name in the configuration
        token: String,
        /// The object's id, as the list has it
        object: String,
    },
}

/// Does what the verb says.
pub(crate) async fn run(verb: TokensVerb, config: &Config) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let inventory = Inventory::new(config, open_keys(config).await?, &clock)?;
    match verb {
        TokensVerb::List => {
            let items = inventory.list().await?;
            for item in &items {
                print(item)?;
            }
            let orphans = items.iter().filter(|item| item.row.is_none()).count();
            writeln!(io::stderr(), "private keys: {}; without a row: {orphans}", items.len())?;
        }
        TokensVerb::Destroy { token, object } => {
            inventory.destroy(&token, &object).await?;
            writeln!(io::stdout(), "object {object} of token {token} is destroyed")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(item: &Item) -> io::Result<()> {
    let Item { token, object, label, key, row } = item;
    let key = key.as_ref().map_or("-", |key| key.as_str());
    let state = row.as_ref().map_or("no-row", |row| row.times.state().name());
    // anybody who may write to the token chose the label
    writeln!(io::stdout(), "{token} {object} {key} {state} {}", label.escape_debug())
}
