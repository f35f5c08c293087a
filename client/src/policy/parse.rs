//! A policy file, read strictly: what is not understood, or could never hold, is an error with its line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;
use tuf_schema::{DelegationName, KeyId, Sha256, UtcTime};

use super::{Excepted, Exception, Freshness, Mode, Otherwise, Pattern, Policy, Required, Rule, Signer, Span, Unit};
use crate::config::{ConfigError, PinsOfFile, WrittenPins};
use crate::exposure::{self, Exposed};
use crate::image::ImageName;

/// The largest policy that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// How many characters of a line an error shows.
const MAX_SHOWN: usize = 80;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("cannot read the policy {path}: {why}; nothing is decided without it", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Others may change it.
    #[error("the policy {0}: whoever can change it decides what may be pulled")]
    Open(Exposed),
    /// It is not understood.
    #[error("the policy {path}, line {line}: {why}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// The member, and what is wrong with it.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    mode: Option<WrittenMode>,
    default: Option<Spanned<WrittenDefault>>,
    freshness: Option<Spanned<WrittenFreshness>>,
    pins: Option<Spanned<WrittenPins>>,
    #[serde(default)]
    rule: Vec<Spanned<WrittenRule>>,
    #[serde(default)]
    exception: Vec<Spanned<WrittenException>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenMode {
    Enforce,
    Audit,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenDefault {
    Refuse,
    Signed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    images: Spanned<Vec<Spanned<String>>>,
    signers: Spanned<WrittenSigners>,
    freshness: Option<Spanned<WrittenFreshness>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSigners {
    any: Option<Spanned<Vec<Spanned<String>>>>,
    all: Option<Spanned<Vec<Spanned<String>>>>,
    of: Option<Spanned<Vec<Spanned<String>>>>,
    at_least: Option<Spanned<i64>>,
    anyone: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFreshness {
    fetched_within: Option<Spanned<String>>,
    valid_for: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenException {
    image: Spanned<String>,
    until: Spanned<Datetime>,
    reason: Spanned<String>,
    #[serde(default)]
    unsigned: bool,
}

impl Policy {
    /// The policy at `path`, which somebody named.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn named(path: &Path) -> Result<(Self, Option<PinsOfFile>), PolicyError> {
        let unreadable = |e: io::Error| PolicyError::Unreadable { path: path.to_owned(), why: e.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        if let Some(exposed) = exposure::of_policy(path, &file) {
            return Err(PolicyError::Open(exposed));
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut text).map_err(unreadable)?;
        parse(path, &text)
    }

    /// The policy at `path`, `None` if there is none. A link that leads nowhere is one that cannot be read.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn if_there(path: &Path) -> Result<Option<(Self, Option<PinsOfFile>)>, PolicyError> {
        match std::fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::named(path).map(Some),
        }
    }

    /// Reads a policy's text.
    ///
    /// # Errors
    /// [`PolicyError::Malformed`].
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, PolicyError> {
        parse(path, text).map(|(policy, _)| policy)
    }
}

/// The files of authorities that a policy's text pins if it stands at `path`, each where it lies.
///
/// # Errors
/// [`PolicyError::Malformed`].
pub(crate) fn pinned_files(path: &Path, text: &[u8]) -> Result<Vec<PathBuf>, PolicyError> {
    let (_, pins) = parse(path, text)?;
    Ok(pins.iter().flat_map(PinsOfFile::files).map(Path::to_owned).collect())
}

fn parse(path: &Path, text: &[u8]) -> Result<(Policy, Option<PinsOfFile>), PolicyError> {
    let at = |line, why: &str| PolicyError::Malformed { path: path.to_owned(), line, why: why.to_owned() };
    if text.len() as u64 > MAX_BYTES {
        return Err(at(1, &format!("it has more than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(text).map_err(|e| {
        let before = text.get(..e.valid_up_to()).unwrap_or_default();
        at(lines(before), "it is not UTF-8")
    })?;
    let source = Source { path, text };
    let written: WrittenPolicy = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| source.line(span.start));
        let why = e.message().trim().replace('\n', ", ");
        let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        at(line, &format!("{why}, in {:?}", written.chars().take(MAX_SHOWN).collect::<String>()))
    })?;
    source.policy(written)
}

/// The text that a policy is read from.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn policy(&self, written: WrittenPolicy) -> Result<(Policy, Option<PinsOfFile>), PolicyError> {
        let otherwise_line = written.default.as_ref().map(|default| self.at(default));
        let policy = Policy {
            file: self.path.to_owned(),
            mode: match written.mode {
                Some(WrittenMode::Audit) => Mode::Audit,
                Some(WrittenMode::Enforce) | None => Mode::Enforce,
            },
            otherwise: match written.default.map(Spanned::into_inner) {
                Some(WrittenDefault::Signed) => Otherwise::Signed,
                Some(WrittenDefault::Refuse) | None => Otherwise::Refuse,
            },
            otherwise_line,
            freshness: written.freshness.map(|freshness| self.freshness("freshness", freshness)).transpose()?,
            rules: written.rule.into_iter().map(|rule| self.rule(rule.into_inner())).collect::<Result<_, _>>()?,
            exceptions: written.exception.into_iter().map(|e| self.exception(e)).collect::<Result<_, _>>()?,
        };
        self.check_overlaps(&policy.rules)?;
        self.check_twice(&policy.exceptions)?;
        Ok((policy, written.pins.map(|pins| self.pins(pins)).transpose()?))
    }

    fn rule(&self, written: WrittenRule) -> Result<Rule, PolicyError> {
        let line = self.at(&written.images);
        let images = written.images.into_inner();
        if images.is_empty() {
            return Err(self.error(line, "rule.images is empty"));
        }
        let pattern = |text: Spanned<String>| {
            let line = self.at(&text);
            let pattern = Pattern::parse(text.get_ref());
            pattern.map(|p| (p, line)).map_err(|e| self.error(line, &format!("rule.images: {e}")))
        };
        Ok(Rule {
            patterns: images.into_iter().map(pattern).collect::<Result<_, _>>()?,
            signers: self.required(written.signers)?,
            freshness: written.freshness.map(|freshness| self.freshness("rule.freshness", freshness)).transpose()?,
        })
    }

    fn required(&self, written: Spanned<WrittenSigners>) -> Result<Required, PolicyError> {
        let line = self.at(&written);
        match written.into_inner() {
            WrittenSigners { any: Some(of), all: None, of: None, at_least: None, anyone: None } => {
                Ok(Required::Of { at_least: 1, line, of: self.signers("any", of)? })
            }
            WrittenSigners { any: None, all: Some(of), of: None, at_least: None, anyone: None } => {
                let of = self.signers("all", of)?;
                Ok(Required::Of { at_least: of.len(), line, of })
            }
            WrittenSigners { any: None, all: None, of: Some(of), at_least: Some(at_least), anyone: None } => {
                let of = self.signers("of", of)?;
                let at = self.at(&at_least);
                let at_least = at_least.into_inner();
                match usize::try_from(at_least) {
                    Ok(count) if (1..=of.len()).contains(&count) => Ok(Required::Of { at_least: count, line, of }),
                    _ => {
                        let why = format!("rule.signers.at_least is {at_least}, and must be from 1 to {}", of.len());
                        Err(self.error(at, &why))
                    }
                }
            }
            WrittenSigners { any: None, all: None, of: None, at_least: None, anyone: Some(anyone) } => {
                let at = self.at(&anyone);
                if *anyone.get_ref() {
                    return Ok(Required::Anyone { line });
                }
                Err(self.error(at, "rule.signers.anyone can only be true"))
            }
            _ => Err(self.error(
                line,
                "rule.signers takes one of: any = [...], all = [...], at_least = N with of = [...], anyone = true",
            )),
        }
    }

    fn signers(&self, member: &str, written: Spanned<Vec<Spanned<String>>>) -> Result<Vec<Signer>, PolicyError> {
        let line = self.at(&written);
        let mut signers = Vec::new();
        for text in written.into_inner() {
            let line = self.at(&text);
            let bad = |why: String| self.error(line, &format!("rule.signers.{member}: {why}"));
            let signer = signer(text.get_ref()).map_err(bad)?;
            if signers.contains(&signer) {
                return Err(bad(format!("{signer} stands there twice")));
            }
            signers.push(signer);
        }
        if signers.is_empty() {
            return Err(self.error(line, &format!("rule.signers.{member} is empty")));
        }
        Ok(signers)
    }

    fn freshness(&self, member: &str, written: Spanned<WrittenFreshness>) -> Result<Freshness, PolicyError> {
        let line = self.at(&written);
        let WrittenFreshness { fetched_within, valid_for } = written.into_inner();
        if fetched_within.is_none() && valid_for.is_none() {
            return Err(self.error(line, &format!("{member} takes fetched_within, valid_for, or both")));
        }
        let span = |name: &str, text: Spanned<String>| {
            let line = self.at(&text);
            let why = "is no length of time above zero, such as 90s, 30m, 12h or 3d";
            let parsed = Span::parse(text.get_ref());
            parsed
                .map(|span| (span, line))
                .ok_or_else(|| self.error(line, &format!("{member}.{name}: {:?} {why}", text.get_ref())))
        };
        Ok(Freshness {
            fetched_within: fetched_within.map(|text| span("fetched_within", text)).transpose()?,
            valid_for: valid_for.map(|text| span("valid_for", text)).transpose()?,
        })
    }

    fn exception(&self, written: Spanned<WrittenException>) -> Result<Exception, PolicyError> {
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

    fn pins(&self, written: Spanned<WrittenPins>) -> Result<PinsOfFile, PolicyError> {
        let line = self.at(&written);
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let place = |file: &Path| directory.join(file);
        PinsOfFile::new(self.path, "pins", written.into_inner(), place).map_err(|e| match e {
            ConfigError::Malformed { why, .. } => self.error(line, &why),
            other => self.error(line, &other.to_string()),
        })
    }

    /// Of two rules that name one repository nobody could say which holds.
    fn check_overlaps(&self, rules: &[Rule]) -> Result<(), PolicyError> {
        let mut seen: Vec<&(Pattern, usize)> = Vec::new();
        for one in rules.iter().flat_map(|rule| &rule.patterns) {
            if let Some((pattern, line)) = seen.iter().find(|(pattern, _)| pattern.overlaps(&one.0)) {
                let why =
                    format!("rule.images: {:?} overlaps {:?} of line {line}", one.0.to_string(), pattern.to_string());
                return Err(self.error(one.1, &why));
            }
            seen.push(one);
        }
        Ok(())
    }

    fn check_twice(&self, exceptions: &[Exception]) -> Result<(), PolicyError> {
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

    fn error(&self, line: usize, why: &str) -> PolicyError {
        PolicyError::Malformed { path: self.path.to_owned(), line, why: why.to_owned() }
    }

    fn at<T>(&self, value: &Spanned<T>) -> usize {
        self.line(value.span().start)
    }

    /// The line of a byte, counted from one.
    fn line(&self, offset: usize) -> usize {
        lines(self.text.as_bytes().get(..offset).unwrap_or_default())
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

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => Unit::Seconds,
            "m" => Unit::Minutes,
            "h" => Unit::Hours,
            "d" => Unit::Days,
            _ => return None,
        };
        let digits = count.chars().all(|c| c.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && *count > 0)?;
        Some(Self { count, unit })
    }
}

/// A delegation without its `targets/`, or `key:` and the id of a bare key.
fn signer(text: &str) -> Result<Signer, String> {
    if let Some(id) = text.strip_prefix("key:") {
        let known = Sha256::from_hex(id).is_some();
        let why = "after key: stand the 64 lower-case hexadecimal digits of a key's id, as inspect prints them";
        return if known { Ok(Signer::Key(KeyId::from_wire(id))) } else { Err(format!("{text:?}: {why}")) };
    }
    if Sha256::from_hex(text).is_some() {
        return Err(format!("{text:?} looks like the id of a key, which is written \"key:{text}\""));
    }
    let name = DelegationName::parse(&format!("targets/{text}"));
    let name = name.map_err(|e| format!("{text:?} is no signer's name: {e}"))?;
    if name.is_releases() {
        return Err("releases is nobody's name: whoever signs last signs all that is released".to_owned());
    }
    Ok(Signer::Delegation(name))
}

fn lines(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(Path::new("/p"), text.as_bytes())
    }

    /// A rule with these members, from line 2 on.
    fn rule(images: &str, signers: &str) -> String {
        format!("\n[[rule]]\nimages = {images}\nsigners = {signers}\n")
    }

    fn exception(members: &str) -> String {
        format!("[[exception]]\nreason = \"r\"\n{members}\n")
    }

    #[test]
    fn every_member_is_read() {
        let text = format!(
            "mode = \"audit\"\ndefault = \"signed\"\n[freshness]\nfetched_within = \"3d\"\nvalid_for = \"12h\"\n{}{}",
            rule(
                "[\"a.test/b\", \"a.test/c/*\"]",
                &format!("{{ at_least = 2, of = [\"alice\", \"x/y\", \"key:{}\"] }}", "0".repeat(64))
            ),
            exception("image = \"a.test/b:1\"\nuntil = 2026-12-31T00:00:00+01:00"),
        );
        let policy = parsed(&text).unwrap();
        assert_eq!((policy.mode(), policy.otherwise, policy.counts()), (Mode::Audit, Otherwise::Signed, (1, 1)));
        let [rule] = policy.rules.as_slice() else { panic!("{policy:?}") };
        assert_eq!(rule.patterns.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [8, 8]);
        assert!(matches!(&rule.signers, Required::Of { at_least: 2, of, line: 9 } if of.len() == 3));
        let freshness = policy.freshness.unwrap();
        assert_eq!(freshness.fetched_within.map(|(span, line)| (span.seconds(), line)), Some((259_200, 4)));
        assert_eq!(freshness.valid_for.map(|(span, line)| (span.to_string(), line)), Some(("12 hours".into(), 5)));
        assert_eq!(policy.exceptions[0].until, UtcTime::parse("2026-12-30T23:00:00Z").unwrap());
    }

    #[test]
    fn an_empty_policy_refuses_whatever_it_is_asked() {
        let policy = parsed("").unwrap();
        assert_eq!((policy.mode(), policy.otherwise, policy.counts()), (Mode::Enforce, Otherwise::Refuse, (0, 0)));
    }

    #[test]
    fn all_are_as_many_as_there_are_and_any_is_one() {
        for (signers, needed) in [("{ all = [\"a\", \"b\"] }", 2), ("{ any = [\"a\", \"b\"] }", 1)] {
            let policy = parsed(&rule("[\"a.test/b\"]", signers)).unwrap();
            assert!(
                matches!(policy.rules[0].signers, Required::Of { at_least, .. } if at_least == needed),
                "{signers}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line_and_member() {
        let digest = "0".repeat(64);
        let any = "{ any = [\"a\"] }";
        let images = "[\"a.test/b\"]";
        for (text, line, why) in [
            ("x = 1".to_owned(), 1, "unknown field `x`"),
            ("mode = \"off\"".into(), 1, "unknown variant `off`"),
            ("\n\nmode = 1".into(), 3, "wanted string or table, in \"mode = 1\""),
            ("default = \"signed\"\ndefault = \"signed\"".into(), 2, "duplicate key"),
            ("[[rule]]\nimages = [\"a.test/b\"]".into(), 1, "missing field `signers`"),
            (format!("{}more = 1", rule(images, any)), 5, "unknown field `more`"),
            (rule("[]", any), 3, "rule.images is empty"),
            (rule("[\"a.test/b\",\n  \"*\"]", any), 4, "rule.images: \"*\" has a star"),
            (rule("[\"nginx\"]", any), 3, "write \"docker.io/library/nginx\""),
            (rule(images, "{}"), 4, "rule.signers takes one of"),
            (rule(images, "{ any = [\"a\"], all = [\"a\"] }"), 4, "rule.signers takes one of"),
            (rule(images, "{ of = [\"a\"] }"), 4, "rule.signers takes one of"),
            (rule(images, "{ any = [] }"), 4, "rule.signers.any is empty"),
            (rule(images, "{ all = [\"a\", \"a\"] }"), 4, "rule.signers.all: a stands there twice"),
            (rule(images, "{ any = [\"A\"] }"), 4, "rule.signers.any: \"A\" is no signer's name"),
            (rule(images, "{ any = [\"releases\"] }"), 4, "releases is nobody's name"),
            (rule(images, "{ any = [\"key:12\"] }"), 4, "64 lower-case hexadecimal digits"),
            (rule(images, &format!("{{ any = [\"{digest}\"] }}")), 4, "which is written \"key:0000"),
            (rule(images, "{ at_least = 0, of = [\"a\"] }"), 4, "rule.signers.at_least is 0, and must be from 1 to 1"),
            (rule(images, "{ at_least = 2, of = [\"a\"] }"), 4, "rule.signers.at_least is 2, and must be from 1 to 1"),
            (rule(images, "{ at_least = -1, of = [\"a\"] }"), 4, "rule.signers.at_least is -1"),
            (rule(images, "{ anyone = false }"), 4, "rule.signers.anyone can only be true"),
            ("[freshness]".into(), 1, "freshness takes fetched_within, valid_for, or both"),
            ("[freshness]\nvalid_for = \"0d\"".into(), 2, "freshness.valid_for: \"0d\" is no length of time"),
            ("[freshness]\nfetched_within = \"+1d\"".into(), 2, "freshness.fetched_within: \"+1d\""),
            (exception("until = 2026-12-31T00:00:00Z"), 1, "missing field `image`"),
            (exception("image = \"a.test/b:1\""), 1, "missing field `until`"),
            (
                exception("image = \"a.test/b:1\"\nuntil = 2026-12-31T00:00:00"),
                4,
                "exception.until takes a date, a time and a zone",
            ),
            (exception("image = \"a.test/b:1\"\nuntil = 2026-12-31"), 4, "exception.until takes"),
            (exception("image = \"a.test/b:1\"\nuntil = \"2026-12-31T00:00:00Z\""), 4, "invalid type"),
            (exception("image = \"a.test/b\"\nuntil = 2026-12-31T00:00:00Z"), 3, "names no tag and no digest"),
            (exception("image = \"b:1\"\nuntil = 2026-12-31T00:00:00Z"), 3, "write \"docker.io/library/b:1\""),
            (exception("image = \"a.test/*:1\"\nuntil = 2026-12-31T00:00:00Z"), 3, "invalid reference format"),
            (
                exception("image = \"a.test/b:1\"\nuntil = 2026-12-31T00:00:00Z\nunsigned = true"),
                3,
                "exception.unsigned takes",
            ),
            (
                "[[exception]]\nimage = \"a.test/b:1\"\nuntil = 2026-12-31T00:00:00Z\nreason = \" \"".into(),
                4,
                "exception.reason is empty",
            ),
            ("\n[pins]\ncerts = { \"a.test/b\" = [] }".into(), 2, "pins.certs of \"a.test/b\" names no certificate"),
            ("[pins]\ntofu = false".into(), 2, "unknown field `tofu`"),
        ] {
            let error = parsed(&text).unwrap_err();
            let PolicyError::Malformed { line: found, why: said, .. } = &error else { panic!("{error}") };
            assert!(said.contains(why), "{text}: {error}");
            assert_eq!(*found, line, "{text}: {error}");
        }
        let latin = Policy::parse(Path::new("/p"), b"# x\nmode = \"\xe9\"").unwrap_err();
        assert_eq!(latin.to_string(), "the policy /p, line 2: it is not UTF-8");
    }

    #[test]
    fn rules_that_overlap_are_refused_with_both_lines() {
        let any = "{ any = [\"a\"] }";
        for (one, other) in [("a.test/b/*", "a.test/b/c"), ("a.test/b", "a.test/b"), ("a.test/*", "a.test/b/*")] {
            for (one, other) in [(one, other), (other, one)] {
                let text = rule(&format!("[\"{one}\"]"), any) + &rule(&format!("[\"{other}\"]"), any);
                let expected = format!("the policy /p, line 7: rule.images: {other:?} overlaps {one:?} of line 3");
                assert_eq!(parsed(&text).unwrap_err().to_string(), expected);
            }
        }
        let text = rule("[\"a.test/b\"]", any) + &rule("[\"a.test/b/*\"]", any);
        assert!(parsed(&text).is_ok());
    }

    #[test]
    fn two_exceptions_for_one_image_are_refused() {
        let one = |unsigned: bool| {
            let image = format!("a.test/b@sha256:{}", "0".repeat(64));
            exception(&format!("image = \"{image}\"\nuntil = 2026-12-31T00:00:00Z\nunsigned = {unsigned}"))
        };
        let error = parsed(&(one(true) + &one(false))).unwrap_err();
        assert_eq!(error.to_string(), "the policy /p, line 8: exception.image: line 3 names the same");
    }

    #[test]
    fn a_policy_has_a_mebibyte_and_not_one_byte_more() {
        let comment = |length: u64| "#".repeat(usize::try_from(length).unwrap());
        assert!(parsed(&comment(MAX_BYTES)).is_ok());
        let error = parsed(&comment(MAX_BYTES + 1)).unwrap_err();
        assert_eq!(error.to_string(), "the policy /p, line 1: it has more than 1048576 bytes");
    }

    #[cfg(unix)]
    #[test]
    fn a_policy_that_others_may_write_or_that_cannot_be_read_is_no_absent_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.toml");
        assert!(Policy::if_there(&path).unwrap().is_none());
        std::fs::write(&path, "").unwrap();
        for (mode, refused) in [(0o644, false), (0o600, false), (0o664, true), (0o646, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let outcome = Policy::if_there(&path);
            assert_eq!(matches!(outcome, Err(PolicyError::Open(_))), refused, "{mode:o}: {outcome:?}");
            assert_eq!(outcome.is_ok(), !refused);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Policy::if_there(&path), Err(PolicyError::Unreadable { .. })));
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(directory.path().join("gone"), &path).unwrap();
        assert!(matches!(Policy::if_there(&path), Err(PolicyError::Unreadable { .. })), "a link to nowhere");
        assert!(matches!(Policy::named(&directory.path().join("absent")), Err(PolicyError::Unreadable { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_of_policies_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Policy::parse(Path::new("p"), &bytes);
        }

        #[test]
        fn no_members_make_the_reader_of_policies_panic(image in "\\PC{0,30}", signer in "\\PC{0,20}", least in -3_i64..5, until in "[0-9TZ:+-]{0,25}") {
            let quoted = |text: &str| format!("{text:?}");
            let text = format!(
                "[[rule]]\nimages = [{}]\nsigners = {{ at_least = {least}, of = [{}, \"b\"] }}\n[[exception]]\nimage = {}\nuntil = {until}\nreason = \"r\"\n",
                quoted(&image), quoted(&signer), quoted(&image)
            );
            if let Ok(policy) = parsed(&text) {
                prop_assert!((1..=2).contains(&least), "{policy:?}");
            }
        }

        #[test]
        fn a_length_of_time_is_read_as_it_is_written(count in 1_u32.., unit in "[smhd]") {
            let span = Span::parse(&format!("{count}{unit}")).unwrap();
            prop_assert_eq!(span.count, count);
            prop_assert!(span.seconds() >= i64::from(count));
        }
    }
}
