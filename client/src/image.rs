//! Image names as docker reads them: which registry, which repository, which tag or digest.

use std::fmt;

use tuf_schema::gun::GunError;
use tuf_schema::{Gun, Sha256};

/// Docker's own registry, which a name without a host means.
pub const DOCKER_HUB: &str = "docker.io";
/// The longest repository name with its host, in characters (docker's `reference` package).
const MAX_NAME_CHARACTERS: usize = 255;
/// The longest tag in characters (docker's `reference` package).
const MAX_TAG_CHARACTERS: usize = 128;

/// An image name in full: `docker.io/library/nginx` for `nginx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    original: String,
    /// The length of the part of `original` before tag and digest.
    name_end: usize,
    domain: String,
    path: String,
    gun: Gun,
    tag: Option<Tag>,
    digest: Option<Sha256>,
}

/// A tag: a letter, digit or `_`, then up to 127 of these, `.` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The text does not have the form of an image name (docker's words).
    #[error("invalid reference format")]
    Format,
    /// The repository name has upper-case letters (docker's words).
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    UpperCase(String),
    /// The name with its host is too long (docker's words).
    #[error("repository name must not be more than {MAX_NAME_CHARACTERS} characters")]
    TooLong,
    /// The text is the id of an image and no name (docker's words, then ours).
    #[error(
        "invalid repository name ({0}), cannot specify 64-byte hexadecimal strings: an image's id is signed by nobody, its \
         repository's tags are: name one"
    )]
    Id(String),
    /// The name cannot name trust data.
    #[error("{0}")]
    Gun(#[from] GunError),
}

impl ImageName {
    /// Reads `[HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]` by docker's rules.
    ///
    /// # Errors
    /// [`ImageError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        if Sha256::from_hex(text.strip_prefix("sha256:").unwrap_or(text)).is_some() {
            return Err(ImageError::Id(text.to_owned()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let hex = digest.strip_prefix("sha256:").ok_or(ImageError::Format)?;
                (name, Some(Sha256::from_hex(hex).ok_or(ImageError::Format)?))
            }
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(Tag::parse(tag)?)),
            _ => (name, None),
        };
        let (domain, path) = split_domain(name);
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(ImageError::UpperCase(path));
        }
        if !is_domain(&domain) || !is_path(&path) {
            return Err(ImageError::Format);
        }
        let full = format!("{domain}/{path}");
        if full.len() > MAX_NAME_CHARACTERS {
            return Err(ImageError::TooLong);
        }
        Ok(Self { original: text.to_owned(), name_end: name.len(), gun: Gun::parse(&full)?, domain, path, tag, digest })
    }

    /// The text as the user gave it.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The repository as the user wrote it, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.original.get(..self.name_end).unwrap_or(&self.original)
    }

    /// Host and port of the registry as written in the name; `docker.io` for short names.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository below its registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the repository's trust data: host, port and path, without tag.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The tag, if one is named. As docker does, none when a digest is named as well.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        if self.digest.is_some() { None } else { self.tag.as_ref() }
    }

    /// The repository with `tag`, named as this is.
    ///
    /// # Errors
    /// [`ImageError`], which a tag cannot cause.
    pub fn tagged(&self, tag: &Tag) -> Result<Self, ImageError> {
        Self::parse(&format!("{}:{tag}", self.repository()))
    }

    /// The digest, if one is named.
    #[must_use]
    pub fn digest(&self) -> Option<&Sha256> {
        self.digest.as_ref()
    }

    /// Whether the image is on docker's own registry.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.domain == DOCKER_HUB
    }

    /// Whether the registry's host is this machine by its very name: `localhost`, `127.0.0.0/8` or `[::1]`.
    #[must_use]
    pub fn is_loopback_registry(&self) -> bool {
        is_loopback_authority(&self.domain)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.original)
    }
}

impl Tag {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`ImageError::Format`].
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = text.starts_with(word)
            && text.chars().all(|c| word(c) || c == '.' || c == '-')
            && text.len() <= MAX_TAG_CHARACTERS;
        if fits { Ok(Self(text.to_owned())) } else { Err(ImageError::Format) }
    }

    /// The tag that is meant where none is named.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether `HOST[:PORT]` is this machine by its very name.
pub(crate) fn is_loopback_authority(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The registry of a repository: the first segment of its name, if docker would take it for a host.
///
/// Not every repository has one: notary's collections may have any name.
#[must_use]
pub fn registry_of(gun: &Gun) -> Option<&str> {
    let (first, _) = gun.as_str().split_once('/')?;
    (is_host_like(first) && is_domain(first)).then_some(first)
}

/// Docker's rule for what is a host: it has a dot, a colon or an upper-case letter, or is `localhost`.
fn is_host_like(segment: &str) -> bool {
    segment.contains(['.', ':']) || segment == "localhost" || segment.chars().any(|c| c.is_ascii_uppercase())
}

fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if is_host_like(domain) => (domain, path),
        _ => (DOCKER_HUB, name),
    };
    let domain = if domain == "index.docker.io" { DOCKER_HUB } else { domain };
    let official = domain == DOCKER_HUB && !path.contains('/');
    (domain.to_owned(), if official { format!("library/{path}") } else { path.to_owned() })
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) if is_ipv6(address) => (None, None),
            Some((address, port)) if is_ipv6(address) => match port.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None => return false,
            },
            _ => return false,
        },
        None => match domain.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(domain), None),
        },
    };
    let component = |c: &str| {
        !c.is_empty()
            && c.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !c.starts_with('-')
            && !c.ends_with('-')
    };
    // `+80`, which is a number to Rust, is no port.
    let is_port = |p: &str| p.chars().all(|c| c.is_ascii_digit()) && p.parse::<u16>().is_ok();
    host.is_none_or(|h| h.split('.').all(component)) && port.is_none_or(is_port)
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Components of lower-case letters and digits, joined inside by one `.`, one or two `_`, or any number of `-`.
fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_component)
}

fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |s: &str| matches!(s, "." | "_" | "__") || (!s.is_empty() && s.chars().all(|c| c == '-'));
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component.split(alphanumeric).filter(|s| !s.is_empty()).all(separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_in_full_means_the_same_as_the_short_one(text in "([a-z]{1,4}[.:/@_A-]{0,2}[a-z0-9]{0,4}){1,4}(:[a-z0-9.]{1,3})?") {
            if let Ok(image) = ImageName::parse(&text) {
                let tag = image.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
                let full = ImageName::parse(&format!("{}{tag}", image.gun())).unwrap();
                prop_assert_eq!(full.gun(), image.gun());
                prop_assert_eq!(full.tag(), image.tag());
            }
        }
    }

    #[test]
    fn short_names_mean_dockers_own_registry() {
        for (text, gun) in [
            ("nginx", "docker.io/library/nginx"),
            ("team/app", "docker.io/team/app"),
            ("index.docker.io/nginx", "docker.io/library/nginx"),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app", "localhost:5000/app"),
            ("registry.test:5000/library/nginx", "registry.test:5000/library/nginx"),
            ("HOST/app", "HOST/app"),
            ("[::1]:5000/app", "[::1]:5000/app"),
        ] {
            assert_eq!(ImageName::parse(text).unwrap().gun().as_str(), gun, "{text}");
        }
    }

    #[test]
    fn a_tag_stands_after_the_last_colon_that_is_no_port() {
        let tag = |text| ImageName::parse(text).unwrap().tag().map(|t| t.as_str().to_owned());
        assert_eq!(tag("registry.test:5000/app:1.17").as_deref(), Some("1.17"));
        assert_eq!(tag("registry.test:5000/app"), None);
        assert_eq!(tag("app:_x-1.2"), Some("_x-1.2".into()));
        assert_eq!(ImageName::parse("a.test:5000/app:1").unwrap().repository(), "a.test:5000/app");
    }

    #[test]
    fn a_name_with_a_digest_has_no_tag() {
        let hex = "ab".repeat(32);
        let image = ImageName::parse(&format!("a.test/app:1@sha256:{hex}")).unwrap();
        assert_eq!(image.tag(), None);
        assert_eq!(image.digest().map(Sha256::to_hex), Some(hex));
    }

    #[test]
    fn an_id_is_not_taken_for_the_name_of_a_repository() {
        let id = "0a".repeat(32);
        for text in [id.clone(), format!("sha256:{id}")] {
            assert_eq!(ImageName::parse(&text), Err(ImageError::Id(text)));
        }
        for text in [&id[1..], &format!("a.test/{id}"), &format!("sha512:{id}"), &format!("sha256:{}", &id[1..])] {
            assert!(ImageName::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn texts_that_name_no_image_are_refused() {
        for text in [
            "",
            ":1",
            "a.test/",
            "a.test//b",
            "a.test/b:",
            "a.test/b:-x",
            "a.test/-b",
            "a.test/b..c",
            "a.test/b___c",
            "a.test:x/b",
            "-a.test/b",
            "a.test./b",
            "a.test.:443/b",
            "b\u{fc}cher.test/b",
            "a\u{3002}test/b",
            "a.test:+80/b",
            "a.test:/b",
            "a.test:70000/b",
            "[::1]evil.test/b",
            "[::1]:/b",
            "[::1",
            "[evil.test]:1/b",
            "../b",
            "./b",
            "a.test/b\\c",
            "a.test/b%2fc",
            "a.test/b?c",
            "a.test/b#c",
            "user@a.test/b",
            "a.test/\u{e9}",
            "a.test/b:\u{661}",
            "a.test/b:1\n",
            "a.test/b\0",
            "a.test/b@sha256:12",
            "a.test/b@md5:aa",
            "a.test/../b",
            "a b",
        ] {
            assert_eq!(ImageName::parse(text), Err(ImageError::Format), "{text:?}");
        }
        assert_eq!(ImageName::parse("a.test/B"), Err(ImageError::UpperCase("B".into())));
        assert_eq!(ImageName::parse(&format!("a.test/{}", "b".repeat(300))), Err(ImageError::TooLong));
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let loopback = |text| ImageName::parse(text).unwrap().is_loopback_registry();
        assert!(
            loopback("localhost:5000/a")
                && loopback("127.0.0.1:5000/a")
                && loopback("127.9.9.9/a")
                && loopback("[::1]:5000/a")
        );
        assert!(!loopback("localhost.test/a") && !loopback("128.0.0.1/a") && !loopback("127.0.0.1.test/a"));
    }
}
