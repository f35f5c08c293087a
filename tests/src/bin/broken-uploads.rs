//! Uploads that the reference accepts and cannot serve afterwards, signed ahead: `DIRECTORY/1` and on, a file per part.
//!
//! The last one is the publisher's next, faultless publish; those before it make and break the repository.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use e2e::upload::{now, public_key};
use serde_json::json;
use tuf_schema::testing::{Publisher, secret_key, signed, signed_value, to_value};
use tuf_schema::{Gun, PublicKey, Role, SigningKey as _, Version};

#[derive(Debug, Parser)]
struct Arguments {
    /// How the repository breaks.
    breach: Breach,
    /// The repository.
    #[arg(long, value_parser = |text: &str| Gun::parse(text))]
    gun: Gun,
    /// A file with the server's answer for `timestamp.key`.
    #[arg(long)]
    timestamp_key: PathBuf,
    /// A file with the server's answer for `snapshot.key`.
    #[arg(long)]
    snapshot_key: PathBuf,
    /// Where the uploads go.
    #[arg(long)]
    directory: PathBuf,
}

/// What of the reference breaks it: it hashes what it would have written itself, and takes a snapshot at its word.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Breach {
    /// Targets with white space between the members.
    SpacedTargets,
    /// Targets with a member that the reference does not know.
    UnknownMember,
    /// A first root with white space between the members.
    SpacedRoot,
    /// A snapshot of the publisher's own that lists targets which were never sent.
    UnsentTargets,
}

/// The parts of one upload.
type Upload = Vec<(&'static str, Vec<u8>)>;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (timestamp, snapshot) = (key_in(&arguments.timestamp_key)?, key_in(&arguments.snapshot_key)?);
    for (number, upload) in (1..).zip(uploads(arguments.breach, &arguments.gun, &snapshot, &timestamp)?) {
        let directory = arguments.directory.join(format!("{number}"));
        std::fs::create_dir_all(&directory)?;
        for (role, bytes) in upload {
            std::fs::write(directory.join(role), bytes)?;
        }
    }
    Ok(())
}

fn uploads(breach: Breach, gun: &Gun, servers: &PublicKey, timestamp: &PublicKey) -> anyhow::Result<Vec<Upload>> {
    let own = secret_key();
    let snapshot_key = if matches!(breach, Breach::UnsentTargets) { own.public() } else { servers };
    let mut publisher = Publisher::new(gun, snapshot_key, timestamp, now());
    let root = publisher.root_bytes().to_vec();
    let first = tagged(&mut publisher, "first");
    publisher.next_targets();
    let second = tagged(&mut publisher, "second");
    let mut unknown = to_value(&publisher.targets);
    unknown["x-note"] = json!("a later release's");
    let unknown = signed_value(&unknown, &[&publisher.targets_key]).to_vec();
    publisher.next_targets();
    let third = tagged(&mut publisher, "third");
    let snapshot = |version: i64, targets: &[u8]| {
        let listed = [(Role::Root, root.as_slice()), (Role::Targets, targets)];
        anyhow::Ok(signed(&publisher.snapshot(Version::new(version)?, &listed), &[&own]).to_vec())
    };
    Ok(match breach {
        Breach::SpacedTargets => {
            vec![vec![("root", root), ("targets", first)], vec![("targets", spaced(&second))], vec![("targets", third)]]
        }
        Breach::UnknownMember => {
            vec![vec![("root", root), ("targets", first)], vec![("targets", unknown)], vec![("targets", third)]]
        }
        Breach::SpacedRoot => {
            vec![vec![("root", spaced(&root)), ("targets", first)], vec![("targets", second)]]
        }
        Breach::UnsentTargets => {
            let (one, two, three) = (snapshot(1, &first)?, snapshot(2, &second)?, snapshot(3, &third)?);
            vec![
                vec![("root", root), ("targets", first), ("snapshot", one)],
                vec![("snapshot", two)],
                vec![("targets", third), ("snapshot", three)],
            ]
        }
    })
}

/// The next targets with one more tag, whose digest is that of its name.
fn tagged(publisher: &mut Publisher, tag: &str) -> Vec<u8> {
    publisher.tag(tag, tag.as_bytes());
    publisher.targets_bytes().to_vec()
}

/// The same document for every reader of JSON, in other bytes.
fn spaced(document: &[u8]) -> Vec<u8> {
    [b"{ ", document.get(1..).unwrap_or_default()].concat()
}

fn key_in(file: &Path) -> anyhow::Result<PublicKey> {
    let answer = std::fs::read(file).with_context(|| file.display().to_string())?;
    public_key(&serde_json::from_slice(&answer)?)
}
