//! Which digest may be pulled: asked by every verb that decides, and answered by the library alone.

use bulla::decision::{self, Decision, Refusal};
use bulla::image::{ImageName, Tag};
use bulla::policy::{Evidence, Outcome, Verdict};
use bulla::remote::Action;
use bulla::session::Session;
use bulla::trust::Report;
use tuf_schema::{Role, Sha256};

use crate::cmd::reading::{Cached, found};
use crate::context::Context;
use crate::error::CliError;

/// The digest that may be pulled for `image`, by its trust data and by the policy, and says what should be known of it.
pub(crate) async fn decide(image: &ImageName, cached: &Cached, context: &Context) -> Result<Decision, CliError> {
    let policy = context.config.policy.as_ref();
    match decision::without_trust_data(policy, image, context.now) {
        Some(Ok(decision)) => {
            tell(image, decision.verdict.as_ref(), context);
            return Ok(decision);
        }
        Some(Err(ended)) => context.out.warn(&format!("{}: {}", image.original(), ended.reasons())),
        None => {}
    }
    if image.tag().is_none() && image.digest().is_none() {
        return Err(CliError::Refused(Refusal::NoTag(image.original().to_owned())));
    }
    let session = Session::open(&context.config, image.gun(), Action::Pull).await?;
    let trusted = found(&session, image.original(), Some(cached), context).await?;
    let evidence = Evidence { trusted: &trusted, fetched: session.cache.written(&Role::Timestamp), now: context.now };
    let decision = decision::decide(policy, image, &evidence).map_err(CliError::Refused)?;
    tell(image, decision.verdict.as_ref(), context);
    Ok(decision)
}

/// The same for every tag that is released: all that may be pulled, or the first refusal.
pub(crate) async fn decide_all(
    image: &ImageName,
    cached: &Cached,
    context: &Context,
) -> Result<Vec<(Tag, Sha256)>, CliError> {
    let session = Session::open(&context.config, image.gun(), Action::Pull).await?;
    let trusted = found(&session, image.original(), Some(cached), context).await?;
    let evidence = Evidence { trusted: &trusted, fetched: session.cache.written(&Role::Timestamp), now: context.now };
    let mut decided = Vec::new();
    for released in Report::of(&trusted, None).tags {
        let (Ok(tag), Some(_)) = (Tag::parse(&released.name), released.digest) else {
            context.out.note(&format!("Skipping target for \"{}\"", image.repository()));
            continue;
        };
        let image = image.tagged(&tag)?;
        let policy = context.config.policy.as_ref();
        let decision = decision::decide(policy, &image, &evidence).map_err(CliError::Refused)?;
        tell(&image, decision.verdict.as_ref(), context);
        decided.push((tag, decision.digest));
    }
    // A tag that two roles list with different digests stands there twice.
    decided.dedup();
    Ok(decided)
}

/// Says what passes though the policy does not ask for it so.
fn tell(image: &ImageName, verdict: Option<&Verdict>, context: &Context) {
    let Some(Verdict { file, outcome, .. }) = verdict else { return };
    let reasons = verdict.map(Verdict::reasons).unwrap_or_default();
    let (image, file) = (image.original(), file.display());
    match outcome {
        Outcome::Passed | Outcome::Refused => {}
        Outcome::Audited => {
            context.out.warn(&format!("the policy {file} is only watched and would refuse {image}: {reasons}"));
        }
        Outcome::Excepted => {
            let exception = verdict.and_then(|verdict| verdict.checks.iter().rfind(|check| check.passed));
            let exception = exception.map(ToString::to_string).unwrap_or_default();
            context.out.warn(&format!("{image} passes by an exception of the policy {file}, {exception}"));
        }
    }
}
