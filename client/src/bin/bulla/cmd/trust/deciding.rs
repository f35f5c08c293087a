//! Which digest `pull`, `run` and `create` name to docker for an image.

use bulla::image::{ImageName, Tag};
use tuf_schema::Sha256;

use crate::cmd::deciding;
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;

/// The digest that may be pulled for `image`, which means `latest` without a tag.
///
/// What names its digest is that, as with docker's own content trust: docker holds what it gets against it. Only a policy
/// asks for more.
pub(super) async fn decide(image: &ImageName, cached: &Cached, context: &Context) -> Result<Sha256, CliError> {
    let decision = match (image.digest(), image.tag()) {
        (Some(digest), _) if context.config.policy.is_none() => return Ok(*digest),
        (None, None) => deciding::decide(&image.tagged(&Tag::latest())?, cached, context).await?,
        _ => deciding::decide(image, cached, context).await?,
    };
    Ok(decision.digest)
}
