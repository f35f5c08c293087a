//! A policy's text, read strictly: what is not understood, or could never hold, is an error with its line.

use std::path::{Path, PathBuf};

use toml::Spanned;

mod exceptions;
mod rules;
mod written;

use super::{Mode, Otherwise, Policy, PolicyError};
use crate::config::{ConfigError, PinsOfFile, WrittenPins};
use written::{WrittenDefault, WrittenMode, WrittenPolicy};

/// The largest policy that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// How many characters of a line an error shows.
const MAX_SHOWN: usize = 80;

impl Policy {
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

pub(super) fn parse(path: &Path, text: &[u8]) -> Result<(Policy, Option<PinsOfFile>), PolicyError> {
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

    fn pins(&self, written: Spanned<WrittenPins>) -> Result<PinsOfFile, PolicyError> {
        let line = self.at(&written);
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let place = |file: &Path| directory.join(file);
        PinsOfFile::new(self.path, "pins", written.into_inner(), place).map_err(|e| match e {
            ConfigError::Malformed { why, .. } => self.error(line, &why),
            other => self.error(line, &other.to_string()),
        })
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

fn lines(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tuf_schema::UtcTime;

    use super::*;
    use crate::policy::Required;

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
    }
}
