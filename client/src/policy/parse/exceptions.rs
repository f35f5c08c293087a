//! The exceptions of a policy as they are read: for one image each, until a date, with a reason.

use toml::Spanned;
use tuf_schema::UtcTime;

use super::Source;
use super::written::WrittenException;
use crate::image::ImageName;
use crate::policy::{Excepted, Exception, PolicyError};

impl Source<'_> {
    pub(super) fn exception(&self, written: Spanned<WrittenException>) -> Result<Exception, PolicyError> {
        let WrittenException { image, until, reason, unsigned } = written.into_inner();
        let line = self.at(&image);
        let bad = |why: String| self.error(line, &format!("exception.image: {why}"));
        let text = image.get_ref();
        let named = ImageName::parse(text).map_err(|e| bad(format!("{text:?}: {e}")))?;
        let what = match (named.tag(), named.digest()) {
            (Some(tag), _) => Excepted::Tag(tag.clone()),
            (None, Some(digest)) if unsigned => Excepted::UnsignedDigest(*digest),
            (None, Some(digest)) => Excepted::Digest(*digest),
            (None, None) => return Err(bad(format!("{text:?} names no tag and no digest"))),
        };
        let full = match &what {
            Excepted::Tag(tag) => format!("{}:{tag}", named.gun()),
            Excepted::Digest(digest) | Excepted::UnsignedDigest(digest) => format!("{}@sha256:{digest}", named.gun()),
        };
        if full != *text {
            return Err(bad(format!("{text:?} is not a name in full; write {full:?}, if that is meant")));
        }
        if unsigned && matches!(what, Excepted::Tag(_)) {
            return Err(self.error(line, "exception.unsigned takes an image that is named by its digest"));
        }
        let at = self.at(&until);
        let until = UtcTime::parse(&until.get_ref().to_string()).map_err(|_| {
            self.error(at, "exception.until takes a date, a time and a zone, such as 2026-12-31T00:00:00Z")
        })?;
        let at = self.at(&reason);
        let reason = reason.into_inner();
        if reason.trim().is_empty() {
            return Err(self.error(at, "exception.reason is empty"));
        }
        Ok(Exception { gun: named.gun().clone(), what, until, reason, line })
    }

    pub(super) fn check_twice(&self, exceptions: &[Exception]) -> Result<(), PolicyError> {
        let mut seen: Vec<&Exception> = Vec::new();
        for one in exceptions {
            let same = |other: &&&Exception| other.gun == one.gun && other.names() == one.names();
            if let Some(other) = seen.iter().find(same) {
                return Err(self.error(one.line, &format!("exception.image: line {} names the same", other.line)));
            }
            seen.push(one);
        }
        Ok(())
    }
}

impl Exception {
    /// The tag or the digest that it names.
    fn names(&self) -> String {
        match &self.what {
            Excepted::Tag(tag) => tag.to_string(),
            Excepted::Digest(digest) | Excepted::UnsignedDigest(digest) => format!("sha256:{digest}"),
        }
    }
}
