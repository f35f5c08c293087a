//! Pins as people write them: certificates and authorities by repository or prefix, in notary's `trust_pinning`, in
//! `pins` of our own file, and in those of a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use tuf_schema::verify::Pin;
use tuf_schema::{Gun, KeyId, Sha256};

use super::ConfigError;
use crate::image::registry_of;
use crate::spelling::{alike, spelled_as};

/// The pins of all files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(Vec<PinsOfFile>);

/// The pins of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinsOfFile {
    /// The file.
    file: PathBuf,
    /// The member of it that holds them.
    member: &'static str,
    certificates: BTreeMap<Pattern, BTreeSet<KeyId>>,
    authorities: BTreeMap<Pattern, PathBuf>,
    first_use_off: bool,
}

/// The repositories that a pin is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    /// One, by its name.
    Exact(String),
    /// All whose names begin so.
    Prefix(String),
}

/// Pins as they are written. An unknown member is an error: a pin that is not understood is not in force.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenPins {
    /// Ids of root certificates by the name of a repository, or by a prefix with a `*` behind it.
    #[serde(default)]
    certs: BTreeMap<String, Vec<String>>,
    /// Files of certificate authorities by a prefix, with or without a `*` behind it.
    #[serde(default)]
    ca: BTreeMap<String, PathBuf>,
    /// Whether a repository that nothing is pinned for is not believed on first use.
    #[serde(default)]
    disable_tofu: bool,
}

impl PinsOfFile {
    /// The files of authorities, each where it lies.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.authorities.values().map(PathBuf::as_path)
    }
}

impl Pins {
    /// The pins of some files; those of an earlier one come first.
    pub(super) fn new(files: impl IntoIterator<Item = PinsOfFile>) -> Self {
        Self(files.into_iter().collect())
    }

    /// What is pinned for `gun`: in the first file that names it a certificate by its exact name, else by the longest
    /// prefix, else the authority of the longest prefix. If no file names it, one that says so turns first use off.
    ///
    /// # Errors
    /// [`ConfigError::PinnedAuthority`]: the file of the authority cannot be used; [`ConfigError::PinnedSpelling`]: what is
    /// pinned is this repository, under another spelling of its host.
    pub fn of(&self, gun: &Gun) -> Result<Pin, ConfigError> {
        for file in &self.0 {
            if let Some(pin) = file.of(gun)? {
                return Ok(pin);
            }
        }
        Ok(if self.0.iter().any(|file| file.first_use_off) { Pin::NoFirstUse } else { Pin::FirstUse })
    }
}

impl PinsOfFile {
    /// Checks what `file` says in `member`. `place` makes a path of a file's own one.
    pub(crate) fn new(
        file: &Path,
        member: &'static str,
        written: WrittenPins,
        place: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        let malformed = |why| ConfigError::Malformed { path: file.to_owned(), why };
        let mut certificates = BTreeMap::new();
        for (name, ids) in written.certs {
            let pattern = Pattern::of_certificates(&name).map_err(|why| malformed(format!("{member}.certs: {why}")))?;
            let id = |text: &String| {
                let known = Sha256::from_hex(text).is_some();
                known.then(|| KeyId::from_wire(text)).ok_or_else(|| {
                    let why = "is no id of a certificate, which has 64 lower-case hexadecimal digits";
                    malformed(format!("{member}.certs of {name:?}: {text:?} {why}"))
                })
            };
            let ids: BTreeSet<_> = ids.iter().map(id).collect::<Result<_, _>>()?;
            if ids.is_empty() {
                return Err(malformed(format!("{member}.certs of {name:?} names no certificate")));
            }
            certificates.insert(pattern, ids);
        }
        let mut authorities = BTreeMap::new();
        for (prefix, path) in written.ca {
            let pattern = Pattern::of_authorities(&prefix).map_err(|why| malformed(format!("{member}.ca: {why}")))?;
            if authorities.insert(pattern, place(&path)).is_some() {
                return Err(malformed(format!("{member}.ca names {prefix:?} twice, with a star and without")));
            }
        }
        let first_use_off = written.disable_tofu;
        Ok(Self { file: file.to_owned(), member, certificates, authorities, first_use_off })
    }

    fn of(&self, gun: &Gun) -> Result<Option<Pin>, ConfigError> {
        let stated = |member: &str, pattern: &Pattern| {
            format!("{}.{member} of {:?} in {}", self.member, pattern.written(), self.file.display())
        };
        if let Some((member, pattern, meant)) = self.spelled_otherwise(gun) {
            return Err(ConfigError::PinnedSpelling { gun: gun.clone(), pinned: stated(member, pattern), meant });
        }
        let exact = Pattern::Exact(gun.as_str().to_owned());
        let certificates = self.certificates.get_key_value(&exact).or_else(|| longest(&self.certificates, gun));
        if let Some((pattern, ids)) = certificates {
            return Ok(Some(Pin::Certificates { ids: ids.clone(), stated: stated("certs", pattern) }));
        }
        let Some((pattern, path)) = longest(&self.authorities, gun) else { return Ok(None) };
        let stated = format!("{} ({})", stated("ca", pattern), path.display());
        Ok(Some(Pin::Authorities { certificates: authorities(path)?, stated }))
    }
}

impl PinsOfFile {
    /// A pin that is for the repository under another spelling of its host, and has no like for this one: under that, the
    /// repository would be believed for less. With the name under which it is pinned.
    fn spelled_otherwise(&self, gun: &Gun) -> Option<(&'static str, &Pattern, String)> {
        registry_of(gun)?;
        if self.certificates.contains_key(&Pattern::Exact(gun.as_str().to_owned())) {
            return None;
        }
        let patterns = || {
            let certificates = self.certificates.keys().map(|pattern| ("certs", pattern));
            certificates.chain(self.authorities.keys().map(|pattern| ("ca", pattern)))
        };
        let spelled = alike(gun.as_str());
        let is_named_so = |other: &Pattern| {
            patterns().any(|(_, pattern)| pattern.matches(gun.as_str()) && pattern.says_as_much_as(other))
        };
        let (member, pattern) =
            patterns().find(|(_, pattern)| pattern.matches_spelled(&spelled) && !is_named_so(pattern))?;
        Some((member, pattern, pattern.name_of(gun)))
    }
}

impl Pattern {
    fn of_certificates(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some(prefix) => Self::prefix(prefix),
            // A name that no repository can have would pin nothing, and nobody would notice.
            None => Gun::parse(text).map(|_| Self::Exact(text.to_owned())).map_err(|e| format!("{text:?}: {e}")),
        }
    }

    fn of_authorities(text: &str) -> Result<Self, String> {
        Self::prefix(text.strip_suffix('*').unwrap_or(text))
    }

    fn prefix(text: &str) -> Result<Self, String> {
        if text.contains('*') {
            return Err(format!("{text:?} has a star that is not at its end"));
        }
        Ok(Self::Prefix(text.to_owned()))
    }

    fn written(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Prefix(prefix) => format!("{prefix}*"),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }

    /// Whether it names a repository whose host is in the one spelling that all have, but for the spelling of its own.
    fn matches_spelled(&self, name: &str) -> bool {
        match (self, self.alike()) {
            // A prefix that ends within the host may go on in many ways, and may be all of a host.
            (Self::Prefix(prefix), Self::Prefix(host)) if !prefix.contains('/') => {
                name.starts_with(&prefix.to_ascii_lowercase())
                    || name.strip_prefix(host.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            (_, alike) => alike.matches(name),
        }
    }

    /// Whether it is the same pattern but for the spelling of the host, and for a slash behind the same path.
    fn says_as_much_as(&self, other: &Self) -> bool {
        match (self.alike(), other.alike()) {
            (Self::Prefix(one), Self::Prefix(other)) => one.trim_end_matches('/') == other.trim_end_matches('/'),
            (one, other) => one == other,
        }
    }

    /// The same pattern with its host in the one spelling that all have.
    fn alike(&self) -> Self {
        match self {
            Self::Exact(name) => Self::Exact(alike(name)),
            Self::Prefix(prefix) => Self::Prefix(alike(prefix)),
        }
    }

    /// The repository as it is spelled here.
    fn name_of(&self, gun: &Gun) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Prefix(prefix) => {
                let (name, begun) = (alike(gun.as_str()), prefix.to_ascii_lowercase());
                let within_host = !prefix.contains('/');
                match name.strip_prefix(&begun).filter(|_| within_host) {
                    Some(rest) => format!("{prefix}{rest}"),
                    None => spelled_as(prefix, gun),
                }
            }
        }
    }

    /// How much of the name of `gun` the pattern gives as a prefix.
    fn covers(&self, gun: &Gun) -> Option<usize> {
        match self {
            Self::Prefix(prefix) => gun.as_str().starts_with(prefix.as_str()).then_some(prefix.len()),
            Self::Exact(_) => None,
        }
    }
}

fn longest<'a, T>(patterns: &'a BTreeMap<Pattern, T>, gun: &Gun) -> Option<(&'a Pattern, &'a T)> {
    let covering = patterns.iter().filter_map(|(pattern, value)| Some((pattern.covers(gun)?, pattern, value)));
    covering.max_by_key(|(length, _, _)| *length).map(|(_, pattern, value)| (pattern, value))
}

/// The certificates of a pinned authority's file.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let unusable = |why: String| ConfigError::PinnedAuthority { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|e| unusable(e.to_string()))?;
    if certificates.is_empty() { Err(unusable("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CERTIFICATE: &str = include_str!("../../../tests/fixtures/keys/alice.crt");

    fn file(name: &str, text: &str) -> Result<PinsOfFile, ConfigError> {
        let written = serde_json::from_str(text).unwrap();
        PinsOfFile::new(Path::new(name), "pins", written, Path::to_owned)
    }

    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    /// What is pinned for a repository, in one word: the first digit of a certificate's id, or what else it is.
    fn pinned(pins: &Pins, gun: &str) -> String {
        match pins.of(&Gun::parse(gun).unwrap()).unwrap() {
            Pin::FirstUse => "first use".into(),
            Pin::NoFirstUse => "off".into(),
            Pin::Certificates { ids, .. } => ids.iter().map(|id| &id.as_str()[..1]).collect(),
            Pin::Authorities { stated, .. } => stated,
        }
    }

    #[test]
    fn a_name_comes_before_the_longest_prefix_and_that_before_an_authority() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, CERTIFICATE).unwrap();
            path.display().to_string()
        };
        let (short, long) = (place("short.pem"), place("long.pem"));
        let text = format!(
            r#"{{"certs": {{"a.test/b/c": ["{}"], "a.test/b/*": ["{}"], "a.test/b/cc*": ["{}", "{}"]}},
                "ca": {{"a.test/b": "{short}", "a.test/": "{long}", "a.test/x*": "{long}"}}}}"#,
            id('1'),
            id('2'),
            id('3'),
            id('4')
        );
        let pins = Pins::new([file("f", &text).unwrap()]);
        assert_eq!(pinned(&pins, "a.test/b/c"), "1");
        assert_eq!(pinned(&pins, "a.test/b/d"), "2");
        assert_eq!(pinned(&pins, "a.test/b/ccc"), "34");
        assert_eq!(pinned(&pins, "a.test/bb"), format!("pins.ca of \"a.test/b*\" in f ({short})"));
        assert_eq!(pinned(&pins, "a.test/c"), format!("pins.ca of \"a.test/*\" in f ({long})"));
        assert_eq!(pinned(&pins, "a.test/xy"), format!("pins.ca of \"a.test/x*\" in f ({long})"));
        assert_eq!(pinned(&pins, "b.test/a.test/b/c"), "first use", "patterns are anchored at their beginning");
    }

    #[test]
    fn a_repository_with_capital_letters_has_its_pin() {
        let text = format!(r#"{{"certs": {{"a.test/Team/App": ["{}"], "a.test/Lib*": ["{}"]}}}}"#, id('1'), id('2'));
        let pins = Pins::new([file("f", &text).unwrap()]);
        assert_eq!(pinned(&pins, "a.test/Team/App"), "1");
        assert_eq!(pinned(&pins, "a.test/LibX"), "2");
        assert_eq!(pinned(&pins, "a.test/team/app"), "first use");
    }

    #[test]
    fn another_spelling_of_a_pinned_host_is_refused_unless_it_is_pinned_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, CERTIFICATE).unwrap();
        let place = path.display();
        let certs = |names: &[&str]| {
            let members: Vec<_> = names.iter().map(|name| format!("\"{name}\": [\"{}\"]", id('1'))).collect();
            format!("\"certs\": {{{}}}", members.join(", "))
        };
        let refusal = |members: &[&str], gun: &str| {
            let pins = Pins::new(members.iter().map(|members| file("/f", &format!("{{{members}}}")).unwrap()));
            pins.of(&Gun::parse(gun).unwrap()).err().map(|e| e.to_string())
        };
        let says = |pinned: &str, meant: &str, gun: &str| {
            Some(format!(
                "{pinned} in /f means {gun}, too, and spells its host otherwise: ask for {meant}, or pin {gun} as well"
            ))
        };
        for gun in ["A.TEST/team/app", "a.test:443/team/app", "a.test:0443/team/app"] {
            for pattern in ["a.test/team/*", "a.test/", "a.test/team/app"] {
                let written = if pattern.ends_with(['*', 'p']) { pattern.to_owned() } else { format!("{pattern}*") };
                let pinned = format!("pins.certs of {written:?}");
                assert_eq!(refusal(&[&certs(&[&written])], gun), says(&pinned, "a.test/team/app", gun));
            }
            let authority = format!("\"ca\": {{\"a.test/team\": \"{place}\"}}");
            assert_eq!(refusal(&[&authority], gun), says("pins.ca of \"a.test/team*\"", "a.test/team/app", gun));
            // What names all is no reason to pass by what names this one.
            assert_ne!(refusal(&[&certs(&["*", "a.test/team/*"])], gun), None);
            // Nor does a file below another one pin what that one pins under another spelling.
            assert_ne!(refusal(&[&certs(&["a.test/*"]), &certs(&[gun])], gun), None);
            // A name comes before all prefixes, however they are spelled.
            assert_eq!(refusal(&[&certs(&["a.test/*", gun])], gun), None);
            assert_eq!(refusal(&[&certs(&["a.test/team/app", gun])], gun), None);
            assert_eq!(refusal(&[&certs(&["*", "b.test/*"])], gun), None);
        }
        let pinned = "pins.certs of \"a.test:443/*\"";
        assert_eq!(refusal(&[&certs(&["a.test:443/*"])], "a.test/b"), says(pinned, "a.test:443/b", "a.test/b"));
        let prefix = "pins.certs of \"a.te*\"";
        assert_eq!(refusal(&[&certs(&["a.te*"])], "A.TEST/b"), says(prefix, "a.test/b", "A.TEST/b"));
        let prefix = "pins.certs of \"A.te*\"";
        assert_eq!(refusal(&[&certs(&["A.te*"])], "a.test:443/b"), says(prefix, "A.test/b", "a.test:443/b"));
        // A prefix may be all of a host, and of none that only begins so without the port.
        let whole = format!("\"ca\": {{\"a.test:443\": \"{place}\"}}");
        for gun in ["a.test/b", "A.TEST/b", "a.test:0443/b"] {
            assert_eq!(refusal(&[&whole], gun), says("pins.ca of \"a.test:443*\"", "a.test:443/b", gun));
        }
        for gun in ["a.test:443/b", "a.test:4430/b", "a.test:5000/b", "a.test.evil/b", "a.tes/b"] {
            assert_eq!(refusal(&[&whole], gun), None, "{gun}");
        }
        // The colons of an address are those of no port.
        let certificates = certs(&["[::1]/*"]);
        for gun in ["[::1]:443/b", "[0::1]/b", "[0:0::1]:0443/b"] {
            assert_eq!(refusal(&[&certificates], gun), says("pins.certs of \"[::1]/*\"", "[::1]/b", gun));
        }
        assert_eq!(refusal(&[&certificates], "[::1]:5000/b"), None);
        // Docker's own registry has two names.
        let pinned = "pins.certs of \"docker.io/library/*\"";
        let gun = "index.docker.io/library/b";
        assert_eq!(refusal(&[&certs(&["docker.io/library/*"])], gun), says(pinned, "docker.io/library/b", gun));
        // Whoever pins both is asked for neither, with a slash behind the host or without.
        assert_eq!(refusal(&[&certs(&["A.TEST*", "a.test/*"])], "a.test/b"), None);
        assert_eq!(refusal(&[&certs(&["a.test:443*", "a.test*"])], "a.test/b"), None);
        // Below the host letters are letters, and a name without one has only one spelling.
        assert_eq!(refusal(&[&certs(&["a.test/b"])], "a.test/B"), None);
        assert_eq!(refusal(&[&certs(&["collection"])], "Collection"), None);
    }

    #[test]
    fn the_first_file_that_names_a_repository_decides_and_any_file_turns_first_use_off() {
        let of = |digit, name, off| {
            let text = format!(r#"{{"certs": {{"{name}": ["{}"]}}, "disable_tofu": {off}}}"#, id(digit));
            file("f", &text).unwrap()
        };
        let pins = Pins::new([of('1', "a.test/*", false), of('2', "a.test/b", true)]);
        assert_eq!(pinned(&pins, "a.test/b"), "1");
        assert_eq!(pinned(&pins, "b.test/b"), "off");
        assert_eq!(pinned(&Pins::default(), "b.test/b"), "first use");
    }

    #[test]
    fn a_pin_that_could_never_hold_is_refused() {
        let good = id('1');
        for (text, why) in [
            (format!(r#"{{"certs": {{"a*b": ["{good}"]}}}}"#), "a GUN cannot contain '*'"),
            (format!(r#"{{"certs": {{"a*b*": ["{good}"]}}}}"#), "has a star that is not at its end"),
            (format!(r#"{{"certs": {{"a//b": ["{good}"]}}}}"#), "a GUN cannot contain the path segment"),
            (r#"{"certs": {"a": []}}"#.into(), "names no certificate"),
            (r#"{"certs": {"a": ["sha256:1"]}}"#.into(), "is no id of a certificate"),
            (format!(r#"{{"certs": {{"a": ["{}"]}}}}"#, id('A')), "is no id of a certificate"),
            (r#"{"ca": {"*a": "x"}}"#.into(), "has a star that is not at its end"),
            (r#"{"ca": {"a": "x", "a*": "y"}}"#.into(), "twice"),
        ] {
            let error = file("/f", &text).unwrap_err().to_string();
            assert!(error.starts_with("the configuration /f cannot be used: pins."), "{error}");
            assert!(error.contains(why), "{text}: {error}");
        }
        for text in [r#"{"cert": {}}"#, r#"{"certs": {"a": "x"}}"#, r#"{"disable_tofu": "yes"}"#] {
            assert!(serde_json::from_str::<WrittenPins>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_file_of_a_pinned_authority_must_hold_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let text = format!(r#"{{"ca": {{"a.test/": "{}"}}}}"#, path.display());
        let pins = Pins::new([file("f", &text).unwrap()]);
        let gun = Gun::parse("a.test/b").unwrap();
        let refusal = || pins.of(&gun).unwrap_err().to_string();
        let words = format!("could not load root cert from CA path {}: ", path.display());
        assert!(refusal().starts_with(&words), "{}", refusal());
        std::fs::write(&path, include_str!("../../../tests/fixtures/keys/alice.pkcs8.pem")).unwrap();
        assert!(refusal().starts_with(&format!("{words}it holds no certificate")), "{}", refusal());
        std::fs::write(&path, CERTIFICATE).unwrap();
        assert!(pins.of(&gun).is_ok());
        // Whoever asks for another repository needs no such file.
        std::fs::remove_file(&path).unwrap();
        assert!(pins.of(&Gun::parse("b.test/b").unwrap()).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_of_pins_panic(name in ".{0,40}", id in ".{0,70}") {
            let certs = BTreeMap::from([(name.clone(), vec![id])]);
            let ca = BTreeMap::from([(name, PathBuf::from("x"))]);
            let written = WrittenPins { certs, ca, disable_tofu: false };
            let _ = PinsOfFile::new(Path::new("f"), "pins", written, Path::to_owned);
        }
    }
}
