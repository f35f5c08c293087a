//! `bulla trust push-tag`: a tag moves to another manifest only after that has been signed.

use bulla::image::Tag;
use bulla::push_tag::{Moved, TagMove};
use bulla::registry::Reference;
use bulla::remote::Action;
use bulla::session::{self, Session, SessionError};
use bulla::signing::{Signer, Source};
use clap::Args;
use serde::Serialize;
use tuf_schema::Sha256;

use super::sign::tell_signed;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Tag to move; without one, `latest`
    #[arg(value_name = "IMAGE[:TAG]")]
    image: String,
    /// To the manifest with this digest
    #[arg(
        long,
        value_name = "sha256:HEX",
        value_parser = super::digest,
        required_unless_present = "from_tag",
        conflicts_with = "from_tag"
    )]
    digest: Option<Sha256>,
    /// To the manifest that this tag of the repository names
    #[arg(long, value_name = "TAG")]
    from_tag: Option<String>,
}

/// A tag that is signed, and names what is signed.
#[derive(Serialize)]
struct Pushed {
    image: String,
    tag: String,
    digest: String,
    /// What it named before.
    before: Option<String>,
    /// What was signed for it; nothing if it was signed with this digest already.
    roles: Vec<String>,
    /// Whether the repository's trust data was made.
    initialized: bool,
}

impl Show for Pushed {
    fn text(&self) -> String {
        let Self { image, tag, digest, before, .. } = self;
        let moved = match before {
            Some(before) if before == digest => format!("{image}:{tag} names {digest} already"),
            Some(before) => format!("{image}:{tag} names {digest} now, and named {before} before"),
            None => format!("{image}:{tag} names {digest} now, and was not there before"),
        };
        format!("Successfully signed {image}:{tag}\n{moved}")
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let wanted = super::wanted(&arguments.image, Source::Registry, context)?;
    let source = match (&arguments.digest, &arguments.from_tag) {
        (Some(digest), _) => Reference::Digest(*digest),
        (None, Some(tag)) => Reference::Tag(Tag::parse(tag)?),
        // One of them is required.
        (None, None) => Reference::Tag(wanted.tag.clone()),
    };
    let name = wanted.name();
    let registry = session::registry(&context.config, &wanted.image, Action::PullAndPush).await?;
    let prepared = TagMove::prepare(&registry, wanted.tag.clone(), &source).await.map_err(SessionError::from)?;
    let manifest = prepared.manifest();
    context.out.note(&format!("Signing and pushing trust metadata for {name}"));

    let failed = |source| CliError::Sign { image: name.clone(), source: Box::new(source) };
    let session = Session::open(&context.config, wanted.image.gun(), Action::PullAndPush).await?;
    let (config, now, rng, progress) = (&context.config, context.now, &context.rng, &context.out);
    let (mut keys, engine) = (context.keyring()?, context.engine.clone());
    let mut signer = Signer { config, keys: &mut keys, now, rng, progress, engine };
    let tags = [(wanted.clone(), manifest)];
    let done = signer.publish(&session, &tags).await.map_err(failed)?;
    tell_signed(&session.gun, &done, &tags, context);
    let published = done.published;
    let digest = format!("sha256:{}", manifest.digest);
    let before = match prepared.finish(&published).await.map_err(|e| CliError::NotMoved(Box::new(e)))? {
        Moved::Created => None,
        Moved::From(before) => Some(format!("sha256:{before}")),
        Moved::StoodThere => Some(digest.clone()),
    };
    context.out.show(&Pushed {
        image: wanted.image.repository().to_owned(),
        tag: wanted.tag.to_string(),
        digest,
        before,
        roles: published.roles.iter().map(ToString::to_string).collect(),
        initialized: published.initialised,
    })?;
    Ok(Exit::Success)
}
