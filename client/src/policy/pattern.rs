//! The repositories that a rule is for: one by its name in full, or all below a path.
//!
//! Anchored at both ends and at whole segments: `good/*` names neither `evil/good/x` nor `goodness/x`.

use std::fmt;

use tuf_schema::Gun;

use crate::image::ImageName;
use crate::spelling::{alike, spelled_as};

/// Repositories by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// One: `registry.example/team/app`.
    Exact(Gun),
    /// All below a path, at any depth, and not the path itself: `registry.example/team/*`.
    Below(Gun),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A star that does not stand for whole segments at the end.
    #[error("{0:?} has a star that is not the whole of its last segment: a pattern ends in /*, or has no star")]
    Star(String),
    /// A tag or a digest.
    #[error("{0:?} names a tag or a digest, and a rule is for repositories")]
    Tagged(String),
    /// It names no repository.
    #[error("{0:?} names no repository")]
    Unnamed(String),
    /// A short name, which is docker's own registry.
    #[error("{written:?} is not a name in full; write {full:?}, if that is meant")]
    Short {
        /// As it stands there.
        written: String,
        /// What docker makes of it.
        full: String,
    },
}

impl Pattern {
    /// Reads `HOST[:PORT]/PATH` or `HOST[:PORT][/PATH]/*`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (path, below) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        if path.contains('*') {
            return Err(PatternError::Star(text.to_owned()));
        }
        // Two segments more, or a host would be taken for docker's own.
        let example = if below { format!("{path}/x/x") } else { path.to_owned() };
        let unnamed = || PatternError::Unnamed(text.to_owned());
        let image = ImageName::parse(&example).map_err(|_| unnamed())?;
        if image.tag().is_some() || image.digest().is_some() {
            return Err(PatternError::Tagged(text.to_owned()));
        }
        let full = image.gun().as_str();
        if full != example {
            let full = if below { full.replace("/x/x", "/*") } else { full.to_owned() };
            return Err(PatternError::Short { written: text.to_owned(), full });
        }
        let gun = Gun::parse(path).map_err(|_| unnamed())?;
        Ok(if below { Self::Below(gun) } else { Self::Exact(gun) })
    }

    /// Whether the repository is one of those that are named.
    #[must_use]
    pub fn covers(&self, gun: &Gun) -> bool {
        match self {
            Self::Exact(name) => name == gun,
            Self::Below(path) => lies_below(gun.as_str(), path.as_str()),
        }
    }

    /// The name of a repository that is one of those, if their host were spelled as it is here.
    #[must_use]
    pub(super) fn covers_spelled(&self, gun: &Gun) -> Option<String> {
        let (Self::Exact(name) | Self::Below(name)) = self;
        let (wanted, own) = (alike(gun.as_str()), alike(name.as_str()));
        let covers = match self {
            Self::Exact(_) => own == wanted,
            Self::Below(_) => lies_below(&wanted, &own),
        };
        covers.then(|| spelled_as(name.as_str(), gun))
    }

    /// Whether there can be a repository that both name.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => pattern.covers(name),
            (Self::Below(a), Self::Below(b)) => {
                a == b || lies_below(a.as_str(), b.as_str()) || lies_below(b.as_str(), a.as_str())
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(path) => write!(f, "{path}/*"),
        }
    }
}

fn lies_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gun(text: &str) -> Gun {
        Gun::parse(text).unwrap()
    }

    fn covers(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().covers(&gun(name))
    }

    #[test]
    fn a_pattern_is_anchored_at_both_ends_and_at_whole_segments() {
        assert!(covers("a.test/good/*", "a.test/good/x") && covers("a.test/good/*", "a.test/good/x/y"));
        assert!(covers("a.test/*", "a.test/x") && covers("a.test:5000/good", "a.test:5000/good"));
        for (pattern, name) in [
            ("a.test/good/*", "a.test/evil/good/x"),
            ("a.test/good/*", "evil.test/a.test/good/x"),
            ("a.test/good/*", "a.test/goodness/x"),
            ("a.test/good/*", "a.test/good"),
            ("a.test/good", "a.test/good/x"),
            ("a.test/good", "a.test/goodness"),
            ("a.test/*", "a.test.evil/x"),
            ("a.test/*", "a.test:5000/x"),
            ("a.test/*", "xa.test/x"),
        ] {
            assert!(!covers(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn another_spelling_of_a_host_is_not_covered_and_known_for_one() {
        let spelled = |pattern: &str, name: &str| {
            let pattern = Pattern::parse(pattern).unwrap();
            assert!(!pattern.covers(&gun(name)), "{pattern} {name}");
            pattern.covers_spelled(&gun(name))
        };
        for pattern in ["a.test/team/*", "a.test/team/app", "a.test/*"] {
            for name in ["A.TEST/team/app", "a.test:443/team/app", "a.test:0443/team/app"] {
                assert_eq!(spelled(pattern, name).as_deref(), Some("a.test/team/app"), "{pattern} {name}");
            }
        }
        assert_eq!(spelled("a.test:443/team/*", "a.test/team/app").as_deref(), Some("a.test:443/team/app"));
        assert_eq!(spelled("a.test:5000/*", "A.test:05000/app").as_deref(), Some("a.test:5000/app"));
        for (pattern, name) in [
            ("a.test/team/*", "A.TEST/teams/app"),
            ("a.test/team/*", "A.TEST/team"),
            ("a.test/team/*", "A.TEST:5000/team/app"),
            ("a.test/team/app", "A.TEST/team/app/x"),
            ("a.test/*", "B.TEST/app"),
        ] {
            assert_eq!(spelled(pattern, name), None, "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_that_is_not_the_whole_last_segment_is_refused() {
        for text in ["*", "*/app", "a.test/*/app", "a.test/te*", "a.test/team*/*", "a.test/**", "/*", "a.test*"] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(matches!(error, PatternError::Star(_) | PatternError::Unnamed(_)), "{text}: {error}");
        }
        assert_eq!(Pattern::parse("*"), Err(PatternError::Star("*".into())));
    }

    #[test]
    fn a_name_that_is_not_in_full_is_refused_with_the_full_one() {
        for (written, full) in [
            ("nginx", "docker.io/library/nginx"),
            ("team/*", "docker.io/team/*"),
            ("index.docker.io/team/app", "docker.io/team/app"),
            ("index.docker.io/*", "docker.io/*"),
        ] {
            let short = PatternError::Short { written: written.into(), full: full.into() };
            assert_eq!(Pattern::parse(written), Err(short));
        }
        assert!(covers("docker.io/library/*", "docker.io/library/nginx"));
    }

    #[test]
    fn a_tag_and_what_names_no_repository_are_refused() {
        let digest = format!("a.test/b@sha256:{}", "0".repeat(64));
        for text in ["a.test/b:1", &digest] {
            assert_eq!(Pattern::parse(text), Err(PatternError::Tagged(text.into())));
        }
        for text in ["", "a.test/", "a.test//b", "a.test/B", "a.test/b:1/*", "a.test/../b", "a.test/b/"] {
            assert_eq!(Pattern::parse(text), Err(PatternError::Unnamed(text.into())), "{text}");
        }
    }

    #[test]
    fn patterns_overlap_when_one_repository_could_be_of_both() {
        let overlap = |a: &str, b: &str| {
            let (a, b) = (Pattern::parse(a).unwrap(), Pattern::parse(b).unwrap());
            assert_eq!(a.overlaps(&b), b.overlaps(&a), "{a} {b}");
            a.overlaps(&b)
        };
        assert!(overlap("a.test/b", "a.test/b") && overlap("a.test/b/*", "a.test/b/*"));
        assert!(overlap("a.test/*", "a.test/b") && overlap("a.test/*", "a.test/b/c/*"));
        assert!(!overlap("a.test/b", "a.test/b/*") && !overlap("a.test/b/*", "a.test/bb/*"));
        assert!(!overlap("a.test/b", "a.test/c") && !overlap("a.test/*", "b.test/*"));
    }

    /// Names of few segments and letters, so that they often meet.
    fn segments() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 1..4).prop_map(|segments| format!("a.test/{}", segments.join("/")))
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_of_patterns_panic(text in ".{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }

        #[test]
        fn a_pattern_covers_nothing_outside_its_anchor(path in segments(), name in segments(), below: bool) {
            let text = if below { format!("{path}/*") } else { path.clone() };
            let pattern = Pattern::parse(&text).unwrap();
            prop_assert_eq!(pattern.to_string(), text);
            let (inside, whole): (Vec<_>, Vec<_>) = (path.split('/').collect(), name.split('/').collect());
            let expected = if below { whole.len() > inside.len() && whole.starts_with(&inside) } else { whole == inside };
            prop_assert_eq!(pattern.covers(&gun(&name)), expected);
        }

        #[test]
        fn what_two_patterns_cover_both_makes_them_overlap(a in segments(), b in segments(), name in segments(), stars: (bool, bool)) {
            let pattern = |path: String, star| Pattern::parse(&if star { format!("{path}/*") } else { path }).unwrap();
            let (a, b) = (pattern(a, stars.0), pattern(b, stars.1));
            let name = gun(&name);
            prop_assert!(!(a.covers(&name) && b.covers(&name)) || a.overlaps(&b));
        }
    }
}
