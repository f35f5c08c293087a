//! Which digest may be pulled for an image: the one answer of every verb that decides.

use std::path::PathBuf;

use tuf_schema::verify::chain::Skipped;
use tuf_schema::{Sha256, UtcTime};

use crate::image::{ImageName, Tag};
use crate::policy::{self, Evidence, Outcome, Policy, Verdict};
use crate::trust::{released, releasing};

/// What may be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The digest.
    pub digest: Sha256,
    /// The tag that it is released under; `None` if an exception of the policy lets it pass without trust data.
    pub tag: Option<Tag>,
    /// What the policy says, if there is one.
    pub verdict: Option<Verdict>,
}

/// Why nothing may be pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The image names neither tag nor digest (docker's words).
    #[error("no tag specified for {0}")]
    NoTag(String),
    /// The tag, or the digest, is not signed (docker's words).
    #[error("No valid trust data for {0}")]
    NotSigned(String),
    /// What has been released cannot be known: the delegation that says so does not count.
    #[error("{role} does not count ({why}), and what else is signed may be older", role = .0.role, why = .0.why)]
    ReleasesSkipped(Skipped),
    /// The policy refuses what is signed.
    #[error("the policy {file} refuses {image}: {reasons}", file = file.display(), reasons = verdict.reasons())]
    Policy {
        /// The image, as it was named.
        image: String,
        /// The policy.
        file: PathBuf,
        /// What it says, line by line.
        verdict: Box<Verdict>,
    },
}

/// Which digest may be pulled for `image`: what its repository's trust data releases under the tag, or the digest itself,
/// if that is released under any tag; and only if `policy` lets it pass.
///
/// # Errors
/// [`Refusal`].
pub fn decide(policy: Option<&Policy>, image: &ImageName, evidence: &Evidence<'_>) -> Result<Decision, Refusal> {
    let (tags, digest) = candidates(image, evidence)?;
    let Some(policy) = policy else {
        return Ok(Decision { digest, tag: tags.into_iter().next(), verdict: None });
    };
    let verdicts = tags.into_iter().map(|tag| (policy::decide(policy, image, &tag, &digest, evidence), tag));
    // Of a digest with several tags the best counts.
    match verdicts.min_by_key(|(verdict, _)| verdict.outcome) {
        Some((verdict, _)) if verdict.outcome == Outcome::Refused => Err(Refusal::Policy {
            image: image.original().to_owned(),
            file: policy.file().to_owned(),
            verdict: Box::new(verdict),
        }),
        Some((verdict, tag)) => Ok(Decision { digest, tag: Some(tag), verdict: Some(verdict) }),
        None => Err(Refusal::NotSigned(format!("sha256:{digest}"))),
    }
}

/// What may be pulled without trust data, because an exception of the policy names its digest so; `Err` with what is to be
/// known of one that has ended.
///
/// # Errors
/// The verdict that the exception has ended: then the image needs trust data as any other.
pub fn without_trust_data(
    policy: Option<&Policy>,
    image: &ImageName,
    now: UtcTime,
) -> Option<Result<Decision, Box<Verdict>>> {
    let digest = *image.digest()?;
    let verdict = policy::without_trust_data(policy?, image, now)?;
    Some(match verdict.outcome {
        Outcome::Excepted => Ok(Decision { digest, tag: None, verdict: Some(verdict) }),
        Outcome::Passed | Outcome::Audited | Outcome::Refused => Err(Box::new(verdict)),
    })
}

/// The digest that is meant, and the tags that it is released under: the one that is asked for, or all.
fn candidates(image: &ImageName, evidence: &Evidence<'_>) -> Result<(Vec<Tag>, Sha256), Refusal> {
    let skipped = |skipped: &Skipped| Refusal::ReleasesSkipped(skipped.clone());
    if let Some(digest) = image.digest() {
        let tags = releasing(evidence.trusted, digest).map_err(skipped)?;
        let none = || Refusal::NotSigned(format!("sha256:{digest}"));
        return if tags.is_empty() { Err(none()) } else { Ok((tags, *digest)) };
    }
    let tag = image.tag().ok_or_else(|| Refusal::NoTag(image.original().to_owned()))?;
    let released = released(evidence.trusted, tag).map_err(skipped)?;
    let digest = released.and_then(|(_, target)| target.digests.sha256());
    Ok((vec![tag.clone()], digest.ok_or_else(|| Refusal::NotSigned(tag.to_string()))?))
}
