//! What a URL's path asks for. A pure function: no method, no rights, no repository is looked at.
//!
//! The grammar is the reference's (its route patterns), and two resources more; a GUN is taken greedily and may hold slashes and colons.

use tuf_schema::{Role, Sha256, Version};

use crate::keys::ServerRole;

const TRUST: &str = "/_trust/";

/// A path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrustPath {
    /// `/v2/`: is there a server, and does it want a token?
    Ping,
    /// `/_notary_server/health`.
    Health,
    /// `/metrics`.
    Metrics,
    /// `/ready`: can reads be served? Ours.
    Ready,
    /// `/live`: does the process answer? Ours.
    Live,
    /// `/openapi.json`: what this API is. Ours.
    Description,
    /// `/v2/_trust/changefeed`: the changes of every repository.
    AllChanges,
    /// `/v2/_trust/repositories`: which repositories there are. Ours.
    Repositories,
    /// Something of one repository.
    Repository {
        /// The repository's name as it stands in the path, decoded; not yet known to be a GUN.
        name: String,
        /// What of it.
        resource: Resource,
    },
    /// Nothing this server knows.
    Unknown,
}

/// What is asked for of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// `tuf/`: the repository itself.
    Collection,
    /// `tuf/<role>.json`.
    Current(AskedRole),
    /// `tuf/<version>.<role>.json`.
    ByVersion(AskedVersion, AskedRole),
    /// `tuf/<role>.<checksum>.json`; the digest is missing when the checksum is none that is ever stored.
    ByHash(AskedRole, Option<Sha256>),
    /// `tuf/<role>.key`.
    Key(ServerRole),
    /// `changefeed`.
    Changes,
    /// `update`: what is current, in one answer; ours.
    Update,
}

/// A role in a path. The route takes more names than an upload: those are never found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskedRole {
    /// A role.
    Role(Role),
    /// A name such as `targets/A`, which nothing can be stored under.
    NeverStored,
}

/// A version in a path: any digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskedVersion {
    /// A version.
    Version(Version),
    /// 0, or above the last version.
    NeverStored,
    /// More than 64 bits hold: the answer names it.
    Unreadable(String),
}

impl TrustPath {
    /// Takes apart the path of a URL as it came, percent-encoding included.
    pub(super) fn parse(raw: &str) -> Self {
        let Some(path) = decode(raw) else { return Self::Unknown };
        match path.as_str() {
            "/v2/" => return Self::Ping,
            "/_notary_server/health" => return Self::Health,
            "/metrics" => return Self::Metrics,
            "/ready" => return Self::Ready,
            "/live" => return Self::Live,
            "/openapi.json" => return Self::Description,
            "/v2/_trust/changefeed" => return Self::AllChanges,
            "/v2/_trust/repositories" => return Self::Repositories,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Unknown };
        // greedy: the longest name that leaves something known
        let found = rest.rmatch_indices(TRUST).find_map(|(at, _)| {
            let (name, tail) = rest.split_at_checked(at)?;
            let resource = Resource::parse(tail.strip_prefix(TRUST)?)?;
            (!name.is_empty() && !name.contains('*')).then(|| Self::Repository { name: name.to_owned(), resource })
        });
        found.unwrap_or(Self::Unknown)
    }
}

impl Resource {
    fn parse(tail: &str) -> Option<Self> {
        match tail {
            "changefeed" => return Some(Self::Changes),
            "update" => return Some(Self::Update),
            _ => {}
        }
        let file = tail.strip_prefix("tuf/")?;
        match file {
            "" => return Some(Self::Collection),
            "snapshot.key" => return Some(Self::Key(ServerRole::Snapshot)),
            "timestamp.key" => return Some(Self::Key(ServerRole::Timestamp)),
            _ => {}
        }
        let name = file.strip_suffix(".json")?;
        Self::by_hash(name).or_else(|| Self::by_version(name)).or_else(|| Some(Self::Current(AskedRole::parse(name)?)))
    }

    fn by_hash(name: &str) -> Option<Self> {
        let (role, checksum) = name.rsplit_once('.')?;
        let is_checksum = matches!(checksum.len(), 64 | 96 | 128) && checksum.bytes().all(|b| b.is_ascii_hexdigit());
        let role = AskedRole::parse(role).filter(|_| is_checksum)?;
        // stored digests are sha256 in lower case, and compared as text
        let lower = !checksum.bytes().any(|byte| byte.is_ascii_uppercase());
        Some(Self::ByHash(role, Sha256::from_hex(checksum).filter(|_| lower)))
    }

    fn by_version(name: &str) -> Option<Self> {
        let (digits, role) = name.split_once('.')?;
        Some(Self::ByVersion(AskedVersion::parse(digits)?, AskedRole::parse(role)?))
    }
}

impl AskedRole {
    fn parse(name: &str) -> Option<Self> {
        if let Ok(role) = Role::parse(name) {
            return Some(Self::Role(role));
        }
        let below = name.strip_prefix("targets/")?;
        let passes = below.split('/').all(|segment| !segment.is_empty() && !segment.contains(char::is_whitespace));
        passes.then_some(Self::NeverStored)
    }
}

impl AskedVersion {
    fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(match digits.parse::<i64>() {
            Ok(number) => Version::new(number).map_or(Self::NeverStored, Self::Version),
            Err(_) => Self::Unreadable(digits.to_owned()),
        })
    }
}

/// The path without empty, `.` and `..` segments; `None` when it has none. A slash at the end stays.
///
/// Looks at the path as it came: what percent-encoding hides is left to the rules of names.
pub(super) fn cleaned(raw: &str) -> Option<String> {
    let rest = raw.strip_prefix('/').unwrap_or(raw);
    let inner = rest.strip_suffix('/').unwrap_or(rest);
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if raw.starts_with('/') && (inner.is_empty() && rest.is_empty() || !inner.split('/').any(odd)) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if raw.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", kept.join("/")))
}

/// Undoes percent-encoding; `None` when a `%` has not two digits after it, or the result is not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let high = char::from(*digits.first()?).to_digit(16)?;
            let low = char::from(*digits.last()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
            rest = tail;
        } else {
            bytes.push(*byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "2867a6854f7bd9e2e1d5c6e6b4d17763fbe2b3dfd26068032bb61be97c45f5be";

    fn resource(gun: &str, tail: &str) -> Option<Resource> {
        match TrustPath::parse(&format!("/v2/{gun}/_trust/{tail}")) {
            TrustPath::Repository { name, resource } => {
                assert_eq!(name, gun);
                Some(resource)
            }
            TrustPath::Unknown => None,
            other => panic!("{other:?}"),
        }
    }

    fn of(tail: &str) -> Option<Resource> {
        resource("registry.test:5000/library/nginx", tail)
    }

    fn role(name: &str) -> AskedRole {
        AskedRole::Role(Role::parse(name).unwrap())
    }

    #[test]
    fn every_kind_of_file_is_told_apart() {
        let version = |n| AskedVersion::Version(Version::new(n).unwrap());
        assert_eq!(of("tuf/"), Some(Resource::Collection));
        assert_eq!(of("tuf/root.json"), Some(Resource::Current(role("root"))));
        assert_eq!(of("tuf/targets/releases.json"), Some(Resource::Current(role("targets/releases"))));
        assert_eq!(of("tuf/3.root.json"), Some(Resource::ByVersion(version(3), role("root"))));
        assert_eq!(of("tuf/01.root.json"), Some(Resource::ByVersion(version(1), role("root"))));
        assert_eq!(of("tuf/1.targets/x.json"), Some(Resource::ByVersion(version(1), role("targets/x"))));
        let digest = Sha256::from_hex(HASH);
        assert_eq!(of(&format!("tuf/root.{HASH}.json")), Some(Resource::ByHash(role("root"), digest)));
        assert_eq!(of(&format!("tuf/targets/a/b.{HASH}.json")), Some(Resource::ByHash(role("targets/a/b"), digest)));
        assert_eq!(of("tuf/snapshot.key"), Some(Resource::Key(ServerRole::Snapshot)));
        assert_eq!(of("tuf/timestamp.key"), Some(Resource::Key(ServerRole::Timestamp)));
        assert_eq!(of("changefeed"), Some(Resource::Changes));
        assert_eq!(of("update"), Some(Resource::Update));
    }

    #[test]
    fn what_the_route_takes_and_no_upload_does_is_never_found() {
        assert_eq!(of("tuf/targets/A.json"), Some(Resource::Current(AskedRole::NeverStored)));
        assert_eq!(of("tuf/0.root.json"), Some(Resource::ByVersion(AskedVersion::NeverStored, role("root"))));
        assert_eq!(of("tuf/2147483648.root.json"), Some(Resource::ByVersion(AskedVersion::NeverStored, role("root"))));
        let huge = "99999999999999999999";
        let unreadable = AskedVersion::Unreadable(huge.into());
        assert_eq!(of(&format!("tuf/{huge}.root.json")), Some(Resource::ByVersion(unreadable, role("root"))));
        for checksum in [HASH.to_uppercase(), "a".repeat(96), "a".repeat(128)] {
            assert_eq!(of(&format!("tuf/root.{checksum}.json")), Some(Resource::ByHash(role("root"), None)));
        }
    }

    #[test]
    fn other_names_are_no_route() {
        for tail in [
            "tuf",
            "tuf/root",
            "tuf/foo.json",
            "tuf/root.json/",
            "tuf/targets.key",
            "tuf/root.key",
            "tuf/x.root.json",
            "tuf/1.2.root.json",
            "tuf/.root.json",
            "tuf/-1.root.json",
            "tuf/targets/.json/",
            "tuf/targets/%20a.json",
            "tuf/root.abc.json",
            "",
            "changefeed/",
            "update/",
            "tuf/update",
            "tuf/Root.json",
        ] {
            assert_eq!(of(tail), None, "{tail}");
        }
        for path in [
            "/",
            "/v2",
            "/v2/x",
            "/v1/",
            "/v2/_trust/tuf/",
            "/v2//_trust/tuf/",
            "/metrics/",
            "/ready/",
            "/live/",
            "/v2/%ff/_trust/tuf/",
            "/v2/a%2/_trust/tuf/",
        ] {
            assert_eq!(TrustPath::parse(path), TrustPath::Unknown, "{path}");
        }
    }

    #[test]
    fn a_star_is_in_no_name() {
        assert_eq!(resource("a*b", "tuf/root.json"), None);
        assert_eq!(resource("a%2Ab", "tuf/root.json"), None);
    }

    #[test]
    fn the_longest_name_wins() {
        let path = "/v2/a/_trust/tuf/targets/_trust/tuf/root.json";
        let TrustPath::Repository { name, resource } = TrustPath::parse(path) else { panic!() };
        assert_eq!((name.as_str(), resource), ("a/_trust/tuf/targets", Resource::Current(role("root"))));
        // where the longest leaves nothing known, a shorter one does
        let path = "/v2/a/_trust/tuf/targets/_trust/b.json";
        let TrustPath::Repository { name, resource } = TrustPath::parse(path) else { panic!() };
        assert_eq!((name.as_str(), resource), ("a", Resource::Current(role("targets/_trust/b"))));
    }

    #[test]
    fn names_are_decoded_and_not_judged() {
        for (encoded, name) in
            [("a%2Fb", "a/b"), ("a%2F..%2Fb", "a/../b"), ("a%00", "a\0"), ("a%20b", "a b"), ("A:1/%C3%A9", "A:1/é")]
        {
            let parsed = TrustPath::parse(&format!("/v2/{encoded}/_trust/tuf/"));
            assert_eq!(parsed, TrustPath::Repository { name: name.into(), resource: Resource::Collection });
        }
    }

    #[test]
    fn odd_segments_are_cleaned_away() {
        for (path, clean) in [
            ("/v2//x/_trust/tuf/root.json", "/v2/x/_trust/tuf/root.json"),
            ("/v2/./x/", "/v2/x/"),
            ("/v2/a/../b/_trust/tuf/", "/v2/b/_trust/tuf/"),
            ("/v2/..", "/"),
            ("//evil.example/", "/evil.example/"),
            ("/../../x", "/x"),
            ("//", "/"),
            ("*", "/*"),
        ] {
            assert_eq!(cleaned(path).as_deref(), Some(clean), "{path}");
        }
        for path in ["/", "/v2/", "/v2", "/v2/a..b/...", "/v2/%2e%2e/x"] {
            assert_eq!(cleaned(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_parses_to_something(path in "(/|\\PC|%[0-9a-f]{0,2}|_trust|tuf|v2|\\.json|targets){0,30}") {
            let _ = TrustPath::parse(&path);
            let _ = cleaned(&path);
        }

        #[test]
        fn a_cleaned_path_is_clean(path in "/([a-z.]{0,3}/){0,8}[a-z.]{0,3}") {
            let clean = cleaned(&path).unwrap_or(path);
            prop_assert_eq!(cleaned(&clean), None);
            prop_assert!(clean.starts_with('/') && !clean.starts_with("//"));
        }

        #[test]
        fn the_name_comes_out_as_it_went_in(name in "[a-zA-Z0-9._:-]{1,9}(/[a-zA-Z0-9._:-]{1,9}){0,4}") {
            prop_assert_eq!(resource(&name, "tuf/timestamp.json"), Some(Resource::Current(role("timestamp"))));
        }

        #[test]
        fn every_delegation_can_be_asked_for(below in "[a-z0-9_-]{1,9}(/[a-z0-9_-]{1,9}){0,3}", version in 1_i64..2_147_483_648) {
            let asked = role(&format!("targets/{below}"));
            prop_assert_eq!(of(&format!("tuf/targets/{below}.json")), Some(Resource::Current(asked.clone())));
            let at = AskedVersion::Version(Version::new(version).unwrap());
            prop_assert_eq!(of(&format!("tuf/{version}.targets/{below}.json")), Some(Resource::ByVersion(at, asked.clone())));
            let hashed = of(&format!("tuf/targets/{below}.{HASH}.json"));
            prop_assert_eq!(hashed, Some(Resource::ByHash(asked, Sha256::from_hex(HASH))));
        }
    }
}
