//! `bulla trust sign`: signs what the registry has under tags now, or manifests by their digests.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bulla::registry::Manifest;
use bulla::signing::{Batch, Outcome, ResolveError, Signed, Signer, Source, Wanted, batches, parse_list};
use bulla::trust::ReleasedTag;
use clap::Args;
use serde::Serialize;
use tuf_schema::{Gun, Sha256};

use super::root_notice;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::{Show, chain};

/// The largest list of images that is read, in bytes.
const MAX_LIST: u64 = 16 << 20;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Images to sign; without a tag, `latest`
    #[arg(value_name = "IMAGE[:TAG]", required_unless_present = "from")]
    images: Vec<String>,
    /// Sign the images of this file, too: one a line, perhaps with a blank and sha256:HEX; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Sign the manifest with this digest, whatever the tag names
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "from", value_parser = super::digest)]
    digest: Option<Sha256>,
    /// Sign a locally tagged image, which docker pushes first
    #[arg(long, conflicts_with_all = ["from", "digest"])]
    local: bool,
    /// Length of that manifest in bytes; then the registry is not asked
    #[arg(long, value_name = "BYTES", requires = "digest")]
    length: Option<u64>,
}

/// What was signed, and what was not.
#[derive(Default, Serialize)]
struct Shown {
    signed: Vec<SignedTag>,
    failed: Vec<Failed>,
}

/// A tag that is signed now.
#[derive(Serialize)]
struct SignedTag {
    image: String,
    tag: String,
    digest: String,
    /// Of the manifest, in bytes.
    length: u64,
    /// What was signed for its repository; nothing if all of it was signed already.
    roles: Vec<String>,
    /// Whether the repository was made.
    initialized: bool,
    /// Whom that made a signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_signer: Option<String>,
}

/// A tag that could not be signed.
#[derive(Serialize)]
struct Failed {
    image: String,
    tag: String,
    code: &'static str,
    message: String,
}

impl Show for Shown {
    /// Docker's words for each tag: what its push ends with, from where scripts take the digest, and that it is signed.
    fn text(&self) -> String {
        let lines = self.signed.iter().map(|SignedTag { image, tag, digest, length, .. }| {
            format!("{tag}: digest: {digest} size: {length}\nSuccessfully signed {image}:{tag}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb. What can be signed is; what cannot is named at the end.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let batches = batches(wanted(arguments, context)?)?;
    let mut keys = context.keyring()?;
    let (config, now, rng, progress) = (&context.config, context.now, &context.rng, &context.out);
    let engine = context.engine.clone();
    let mut signer = Signer { config, keys: &mut keys, now, rng, progress, engine };
    let (mut shown, mut errors) = (Shown::default(), Vec::new());
    for batch in &batches {
        for wanted in &batch.wanted {
            context.out.note(&format!("Signing and pushing trust metadata for {}", wanted.name()));
        }
        let failed = match signer.sign(batch).await {
            Ok(outcome) => tell(batch, outcome, &mut shown.signed, context),
            Err(e) => vec![(batch.wanted.clone(), CliError::Session(e))],
        };
        for (wanted, error) in failed {
            shown.failed.extend(wanted.iter().map(|wanted| Failed::new(wanted, &error)));
            errors.push(CliError::named(&names(&wanted), error));
        }
    }
    // One thing that failed is an error like any other.
    let count = batches.iter().map(|batch| batch.wanted.len()).sum::<usize>();
    if count == 1
        && let Some(error) = errors.pop()
    {
        return Err(error);
    }
    context.out.show(&shown)?;
    if errors.is_empty() {
        return Ok(Exit::Success);
    }
    let code = Code::of_several(&errors, !shown.signed.is_empty());
    context.out.errors(code, &errors);
    Ok(code.exit())
}

/// What the arguments and the list name.
fn wanted(arguments: &Arguments, context: &Context) -> Result<Vec<Wanted>, CliError> {
    let source = match (arguments.digest, arguments.length) {
        (Some(digest), Some(length)) => Source::Known(Manifest { digest, length }),
        (Some(digest), None) => Source::Digest(digest),
        (None, _) if arguments.local => Source::Local,
        // One image, as docker has it; where many are signed, an engine may have old ones under their tags.
        (None, _) if arguments.images.len() == 1 && arguments.from.is_none() => Source::RegistryOrLocal,
        (None, _) => Source::Registry,
    };
    let mut wanted = Vec::new();
    for name in &arguments.images {
        wanted.push(super::wanted(name, source, context)?);
    }
    if let Some(path) = &arguments.from {
        let text = read(path).map_err(|source| CliError::ReadList { path: path.clone(), source })?;
        let list = parse_list(&text).map_err(|source| CliError::List { path: path.clone(), source })?;
        wanted.extend(list);
    }
    Ok(wanted)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut source: Box<dyn std::io::Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path)?),
    };
    let length = source.by_ref().take(MAX_LIST.saturating_add(1)).read_to_string(&mut text)?;
    if length as u64 > MAX_LIST { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Says what became of one repository; what failed comes back, with the tags that it concerns.
fn tell(
    batch: &Batch,
    outcome: Outcome,
    signed: &mut Vec<SignedTag>,
    context: &Context,
) -> Vec<(Vec<Wanted>, CliError)> {
    let error = |e| match e {
        ResolveError::Registry(e) => CliError::Session(e.into()),
        ResolveError::Engine(e) => CliError::Engine(e),
    };
    let mut failed: Vec<_> = outcome.unresolved.into_iter().map(|(wanted, e)| (vec![wanted], error(e))).collect();
    let done = match outcome.published {
        None => return failed,
        Some(Err(e)) => {
            let wanted: Vec<_> = outcome.resolved.into_iter().map(|(wanted, _)| wanted).collect();
            let error = CliError::Sign { image: names(&wanted), source: Box::new(e) };
            failed.push((wanted, error));
            return failed;
        }
        Some(Ok(done)) => done,
    };
    tell_signed(&batch.gun, &done, &outcome.resolved, context);
    for (wanted, manifest) in &outcome.resolved {
        if done.published.roles.is_empty() {
            context.out.note(&format!("{} was signed with this digest already", wanted.name()));
        }
        signed.push(SignedTag {
            image: wanted.image.repository().to_owned(),
            tag: wanted.tag.to_string(),
            digest: format!("sha256:{}", manifest.digest),
            length: manifest.length,
            roles: done.published.roles.iter().map(ToString::to_string).collect(),
            initialized: done.published.initialised,
            first_signer: done.first_signer.as_ref().map(ToString::to_string),
        });
    }
    failed
}

/// Says what there is to say about a publish of tags beside that it was done.
pub(super) fn tell_signed(gun: &Gun, done: &Signed, tags: &[(Wanted, Manifest)], context: &Context) {
    match &done.first_signer {
        Some(name) => {
            context.out.note(&format!("Created signer: {name}"));
            let made: Vec<_> = tags.iter().map(|(wanted, _)| wanted.clone()).collect();
            context.out.note(&format!("Finished initializing signed repository for {}", names(&made)));
        }
        None if done.published.initialised => context.out.note(&format!("Finished initializing \"{gun}\"")),
        None => {}
    }
    for notice in &done.published.root {
        root_notice::tell(gun, notice, context);
    }
    for (wanted, manifest) in tags {
        if let Some(before) = done.before.iter().find(|before| before.name == wanted.tag.as_str()) {
            tell_before(before, manifest, tags.len() == 1, context);
        }
    }
}

/// Says what the tag stood for and who had signed it: in docker's words, where it is signed again as the same.
fn tell_before(before: &ReleasedTag, manifest: &Manifest, alone: bool, context: &Context) {
    match before.digest {
        Some(digest) if digest != manifest.digest => context.out.warn(&format!(
            "{} stood for sha256:{digest} before, and for sha256:{} from now on",
            before.name, manifest.digest
        )),
        // Docker signs one tag at a time.
        Some(digest) if alone => {
            context.out.note(&format!("Existing signatures for tag {} digest {digest} from:", before.name));
            context.out.note(&before.signers.join(", "));
        }
        Some(_) | None => {}
    }
}

impl Failed {
    fn new(wanted: &Wanted, error: &CliError) -> Self {
        let (image, tag) = (wanted.image.repository().to_owned(), wanted.tag.to_string());
        Self { image, tag, code: Code::of(error).name(), message: chain(error) }
    }
}

/// How a few tags of one repository are named in one line.
fn names(wanted: &[Wanted]) -> String {
    match wanted {
        [one] => one.name(),
        [first, ..] => format!("{} tags of {}", wanted.len(), first.image.repository()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signed_tag_is_told_with_its_digest_and_size_as_docker_s_push_tells_them() {
        let tag = |tag: &str, length| SignedTag {
            image: "a.test/b".into(),
            tag: tag.into(),
            digest: format!("sha256:{}", "ab".repeat(32)),
            length,
            roles: Vec::new(),
            initialized: false,
            first_signer: None,
        };
        let shown = Shown { signed: vec![tag("1", 523), tag("2", 7)], failed: Vec::new() };
        let hex = "ab".repeat(32);
        // docker push of 20.10 and of 28
        let expected = format!(
            "1: digest: sha256:{hex} size: 523\nSuccessfully signed a.test/b:1\n\
             2: digest: sha256:{hex} size: 7\nSuccessfully signed a.test/b:2"
        );
        assert_eq!(shown.text(), expected);
    }
}
