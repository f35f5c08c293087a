//! `bulla trust sign`: signs what the registry has under a tag now.

use bulla::image::{ImageName, Tag};
use bulla::publish::{PublishError, Publisher, RealTime, RootNotice, SignTags};
use bulla::registry::Manifest;
use bulla::remote::Action;
use bulla::session::{self, Session};
use clap::Args;
use serde::Serialize;
use tuf_schema::{Gun, Sha256};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Image to sign; without a tag, `latest`
    #[arg(value_name = "IMAGE[:TAG]")]
    image: String,
    /// Sign this manifest digest instead of asking the registry
    #[arg(long, value_name = "sha256:HEX", requires = "length", value_parser = digest)]
    digest: Option<Sha256>,
    /// Length of that manifest in bytes
    #[arg(long, value_name = "BYTES", requires = "digest")]
    length: Option<u64>,
}

/// A tag that is signed now.
#[derive(Serialize)]
struct Signed {
    image: String,
    tag: String,
    digest: String,
    /// What was signed for it; nothing if it was signed with this digest already.
    roles: Vec<String>,
    initialized: bool,
}

impl Show for Signed {
    fn text(&self) -> String {
        format!("Successfully signed {}:{}", self.image, self.tag)
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let image = ImageName::parse(&arguments.image)?;
    let tag = match super::tag(&image)? {
        Some(tag) => tag.clone(),
        None => {
            context.out.note("Using default tag: latest");
            Tag::parse("latest")?
        }
    };
    let manifest = match (arguments.digest, arguments.length) {
        (Some(digest), Some(length)) => Manifest { digest, length },
        _ => session::resolve(&context.config, &image, &tag).await?,
    };
    let name = format!("{}:{tag}", image.repository());
    context.out.note(&format!("Signing and pushing trust metadata for {name} (sha256:{})", manifest.digest));
    let failed = |source| CliError::Sign { image: name.clone(), source: Box::new(source) };

    let session = Session::open(&context.config, image.gun(), Action::PullAndPush).await?;
    let remote = session.remote.map_err(|no| failed(PublishError::Remote(no.into())))?;
    let mut keys = context.keyring()?;
    let mut publisher = Publisher {
        gun: &session.gun,
        remote: &remote,
        cache: &session.cache,
        keys: &mut keys,
        now: context.now,
        rng: &context.rng,
        pacing: &RealTime,
    };
    let published = publisher.publish(&SignTags::new([(tag.clone(), manifest)])).await.map_err(failed)?;
    if published.initialised {
        context.out.note(&format!("Finished initializing \"{}\"", session.gun));
    }
    if published.roles.is_empty() {
        context.out.note(&format!("{name} was signed with this digest already"));
    }
    for notice in &published.root {
        tell(&session.gun, notice, context);
    }
    context.out.show(&Signed {
        image: image.repository().to_owned(),
        tag: tag.to_string(),
        digest: format!("sha256:{}", manifest.digest),
        roles: published.roles.iter().map(ToString::to_string).collect(),
        initialized: published.initialised,
    })?;
    Ok(Exit::Success)
}

/// Says what there is to say about a root that ends soon.
fn tell(gun: &Gun, notice: &RootNotice, context: &Context) {
    let warning = match notice {
        RootNotice::Renewed { until } => {
            return context.out.note(&format!("The root of {gun} was about to end; it was signed anew, until {until}"));
        }
        RootNotice::KeyElsewhere { expires } => format!(
            "the root of {gun} ends on {expires}, and nobody will trust the repository after that; whoever \
             holds the root key should publish before, which signs it anew (bulla trust sign, or notary publish)"
        ),
        RootNotice::NotRenewed { expires, why } => {
            format!("the root of {gun} ends on {expires} and could not be signed anew: {why}")
        }
        RootNotice::CertificateEnds { expires } => format!(
            "the certificate in the root of {gun} ends on {expires}, and new readers will refuse the root \
             after that; rotate the root key before (notary key rotate {gun} root)"
        ),
    };
    context.out.warn(&warning);
}

fn digest(text: &str) -> Result<Sha256, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    Sha256::from_hex(hex).ok_or_else(|| "expected sha256: and 64 lower-case hexadecimal digits".to_owned())
}
