//! The verbs of `bulla-signer keys`.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bulla_signer::clock::SystemClock;
use bulla_signer::config::Config;
use bulla_signer::life::{Due, Entry, GRACE_DAYS, KeyChanges, Keys, Purged, State};
use ring::rand::SystemRandom;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::backup;

/// The most days that a removal can be told to wait for: a hundred years.
const MOST_DAYS: i64 = 36_500;

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeysVerb {
    /// Prints a line for each key, in the order they were made; all of what is given must hold
    List {
        /// Only keys in this state
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Only keys of this role; an empty one for keys of none
        #[arg(long)]
        role: Option<String>,
        /// Only keys of this repository; an empty one for keys of none
        #[arg(long)]
        gun: Option<String>,
        /// Only keys that are sealed under this alias
        #[arg(long)]
        alias: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Prints what is known of one key
    Show {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        output: Output,
    },
    /// Takes a key out of use: it signs no more, and is not handed out
    Retire {
        #[command(flatten)]
        key: Key,
        /// Lets it sign again
        #[arg(long)]
        undo: bool,
    },
    /// Brings a deleted key back, as long as it is not purged
    Undelete {
        #[command(flatten)]
        key: Key,
    },
    /// Prints what would be removed, and removes it with --apply.
    ///
    /// Rows of deleted keys go for good. With --pending-for, keys that never signed are deleted first, and can be
    /// brought back as long as other deleted keys. A key that has signed is never removed unless it was deleted before.
    Purge {
        /// For how many days a key must have been deleted
        #[arg(long, value_name = "DAYS", default_value_t = GRACE_DAYS, value_parser = clap::value_parser!(u32).range(..=MOST_DAYS))]
        deleted_for: u32,
        /// Also keys that were made so many days ago, 180 or more, and never signed
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=MOST_DAYS))]
        pending_for: Option<u32>,
        /// Does it
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Opens each key, signs with it and verifies that; status 2 if one fails. Needs the passphrases
    Verify,
    /// Writes every key, deleted ones too, into a new file: sealed as they are, as of one moment
    Backup {
        /// The file to make
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Fills an empty store from a backup, once each of its keys was opened, has signed and was verified.
    ///
    /// Needs the passphrase of every alias in the backup. All of it is restored, or nothing.
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Takes this key as it is, although it does not open; may be given more than once
        #[arg(long, value_name = "ID", value_parser = key_id)]
        unproved: Vec<KeyId>,
    },
}

/// Which key.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// The whole id
    #[arg(value_name = "ID", value_parser = key_id)]
    id: KeyId,
}

/// How keys are printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Output {
    /// text, or json: one object a line
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = output)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Does what the verb says.
pub(crate) async fn run(verb: KeysVerb, config: &Config) -> anyhow::Result<ExitCode> {
    let open = async || open_keys(config).await;
    let open_to_change = async || {
        let rng = Arc::new(SystemRandom::new());
        anyhow::Ok(KeyChanges::open(config, Arc::new(SystemClock), rng, operator()?).await?)
    };
    match verb {
        KeysVerb::Verify => return backup::verify(config).await,
        KeysVerb::Backup { file } => return backup::backup(config, &file).await,
        KeysVerb::Restore { file, unproved } => {
            return backup::restore(config, &file, unproved.into_iter().collect()).await;
        }
        KeysVerb::List { state, role, gun, alias, output } => {
            let is_wanted = |entry: &Entry| {
                let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
                state.is_none_or(|state| entry.times.state() == state)
                    && is(&role, &entry.role)
                    && is(&gun, &entry.gun)
                    && is(&alias, &entry.alias)
            };
            open().await?.list(is_wanted, |entry| output.print(&entry, None)).await?;
        }
        KeysVerb::Show { key, output } => output.print(&open().await?.show(&key.id).await?, None)?,
        KeysVerb::Retire { key, undo } => {
            let keys = open_to_change().await?;
            let changed = if undo { keys.reactivate(&key.id).await } else { keys.retire(&key.id).await };
            keys.close().await;
            told(&changed?)?;
        }
        KeysVerb::Undelete { key } => {
            let keys = open_to_change().await?;
            let changed = keys.undelete(&key.id).await;
            keys.close().await;
            told(&changed?)?;
        }
        KeysVerb::Purge { deleted_for, pending_for, apply, output } => {
            let (mut deleted, mut removed) = (0_u64, 0_u64);
            let tell = |Purged { entry, due }| {
                let count = match due {
                    Due::Deletion => &mut deleted,
                    Due::Removal => &mut removed,
                };
                *count = count.saturating_add(1);
                output.print(&entry, Some(due))
            };
            if apply {
                let keys = open_to_change().await?;
                let purged = keys.purge(deleted_for, pending_for, tell).await;
                keys.close().await;
                purged?;
            } else {
                open().await?.due(deleted_for, pending_for, tell).await?;
            }
            let what = if apply { "done" } else { "nothing was done, --apply does it" };
            writeln!(io::stderr(), "to be deleted: {deleted}; to be removed for good: {removed}; {what}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows of the configured store.
pub(crate) async fn open_keys(config: &Config) -> anyhow::Result<Keys> {
    Ok(Keys::open(config, Arc::new(SystemClock)).await?)
}

/// Who is on record: the account of this process.
pub(super) fn operator() -> io::Result<String> {
    Ok(format!("operator uid {}", std::fs::metadata("/proc/self")?.uid()))
}

fn told(entry: &Entry) -> io::Result<()> {
    let after = "a signer that is running may take a second to notice";
    writeln!(io::stdout(), "key {} is {}; {after}", shown(&entry.id), entry.times.state().name())
}

impl Output {
    fn print(self, entry: &Entry, due: Option<Due>) -> io::Result<()> {
        let mut output = io::stdout().lock();
        match self.output {
            Format::Json => writeln!(output, "{}", json(entry, due)),
            Format::Text => writeln!(output, "{}", text(entry, due)),
        }
    }
}

fn json(entry: &Entry, due: Option<Due>) -> serde_json::Value {
    let time = |at: Option<UtcTime>| at.map(|at| at.to_rfc3339());
    let mut line = serde_json::json!({
        "id": entry.id,
        "state": entry.times.state().name(),
        "role": entry.role,
        "gun": entry.gun,
        "algorithm": entry.algorithm,
        "alias": entry.alias,
        "created": time(entry.times.created),
        "first_used": time(entry.times.first_used),
        "last_used": time(entry.times.last_used),
        "retired": time(entry.times.retired),
        "deleted": time(entry.times.deleted),
    });
    if let (Some(due), Some(members)) = (due, line.as_object_mut()) {
        members.insert("due".to_owned(), named(due).into());
    }
    line
}

/// Columns with a blank between them, and the times that there are by their names.
fn text(entry: &Entry, due: Option<Due>) -> String {
    let times = &entry.times;
    let words = [&entry.role, &entry.algorithm, &entry.alias, &entry.gun];
    let words = words.map(|word| if word.is_empty() { "-".to_owned() } else { shown(word) });
    let mut line = format!("{} {:8} {}", shown(&entry.id), times.state().name(), words.join(" "));
    let named_times = [
        ("created", times.created),
        ("first_used", times.first_used),
        ("last_used", times.last_used),
        ("retired", times.retired),
        ("deleted", times.deleted),
    ];
    for (name, at) in named_times {
        line.extend(at.map(|at| format!(" {name}={}", at.to_rfc3339())));
    }
    line.extend(due.map(|due| format!(" due={}", named(due))));
    line
}

/// What is in a row may be anything: nothing in it ends a line or steers a terminal.
pub(super) fn shown(text: &str) -> String {
    text.escape_debug().collect()
}

fn named(due: Due) -> &'static str {
    match due {
        Due::Deletion => "deletion",
        Due::Removal => "removal",
    }
}

fn state(text: &str) -> Result<State, String> {
    let names = State::ALL.map(State::name);
    let state = State::ALL.into_iter().find(|state| state.name() == text);
    state.ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    if text.is_empty() { Err("must be the whole id of a key") } else { Ok(KeyId::from_wire(text)) }
}

fn output(text: &str) -> Result<Format, &'static str> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("must be text or json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_row_ends_its_line_or_steers_the_terminal() {
        let entry = Entry {
            id: "0a".to_owned(),
            algorithm: "ecdsa".to_owned(),
            alias: "k1\u{1b}[2J".to_owned(),
            gun: "a\nb".to_owned(),
            role: String::new(),
            times: Default::default(),
        };
        assert_eq!(text(&entry, Some(Due::Removal)), r"0a pending  - ecdsa k1\u{1b}[2J a\nb due=removal");
    }
}
