//! Signing sessions: documents that several people sign one after another before they are published, as a file that is
//! passed around.
//!
//! A file comes from others. Nothing in it is believed; what it says is read from the very bytes that are signed, and a
//! document that says more than its meaning is refused: what nobody is shown nobody should sign.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::dialect::{DecodeError, Dialect, Document, EncodeError};
use crate::digest::Sha256;
use crate::envelope::{Draft, Envelope, EnvelopeError, Unverified};
use crate::gun::{Gun, GunError};
use crate::json::{self, JsonError};
use crate::model::{Root, Targets};
use crate::role::{Role, RoleError};
use crate::signature::Signature;
use crate::version::{Version, VersionError};

/// The largest file that is read, in bytes.
pub const MAX_SESSION_BYTES: usize = 64 << 20;
/// The most documents in one session, and the most documents that it may be made on.
pub const MAX_SESSION_ROLES: usize = 128;

const FORMAT: &str = "bulla signing session";
const FORMAT_VERSION: i64 = 1;

/// A session as it came, or as it was begun.
#[derive(Debug, Clone)]
pub struct SigningSession {
    gun: Gun,
    made_on: BTreeMap<Role, MadeOn>,
    root: Option<Unverified<Root>>,
    targets: BTreeMap<Role, Unverified<Targets>>,
}

/// What was published when a session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeOn {
    /// The version of the document.
    pub version: Version,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// Bytes that are no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    /// More bytes than [`MAX_SESSION_BYTES`].
    #[error("it has more than {MAX_SESSION_BYTES} bytes")]
    TooLarge,
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not of this format.
    #[error("it is no signing session: {0}")]
    Shape(&'static str),
    /// A format of another version.
    #[error("it is a signing session of format {0}, and this program reads {FORMAT_VERSION}")]
    Format(i64),
    /// The name of its repository is none.
    #[error(transparent)]
    Gun(#[from] GunError),
    /// A name of no role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A version that no document has.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A role that is not signed in sessions.
    #[error("{0} is not signed in a session")]
    Unsigned(Role),
    /// More documents than [`MAX_SESSION_ROLES`].
    #[error("it has {0} documents, more than {MAX_SESSION_ROLES}")]
    TooMany(usize),
    /// A copy of another session.
    #[error("the files are of different sessions")]
    Another,
    /// It has nothing to sign.
    #[error("it has nothing to sign")]
    Empty,
    /// A document that is none.
    #[error("{role}: {source}")]
    Envelope {
        /// The role.
        role: Role,
        /// Why.
        source: EnvelopeError,
    },
    /// A document without the meaning that its role has.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A document with more in it than what it means.
    #[error("{0} has content that is not shown to who signs it")]
    Hidden(Role),
    /// A document that cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl SigningSession {
    /// A session without any signature.
    ///
    /// # Errors
    /// [`SessionFault`] for documents that cannot be written, or too many.
    pub fn new<'a>(
        gun: Gun,
        made_on: BTreeMap<Role, MadeOn>,
        root: Option<&Root>,
        targets: impl IntoIterator<Item = (Role, &'a Targets)>,
    ) -> Result<Self, SessionFault> {
        let root = root.map(|root| unsigned(Role::Root, root)).transpose()?;
        let draft = |(role, document): (Role, &Targets)| Ok((role.clone(), unsigned(role, document)?));
        let targets = targets.into_iter().map(draft).collect::<Result<_, SessionFault>>()?;
        Self { gun, made_on, root, targets }.within_limits()
    }

    /// Reads a file, strictly.
    ///
    /// # Errors
    /// [`SessionFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SessionFault> {
        if bytes.len() > MAX_SESSION_BYTES {
            return Err(SessionFault::TooLarge);
        }
        // Whoever looked at it in an editor may have added an end of line.
        let mut file = object(json::parse(bytes.trim_ascii_end())?)?;
        if file.remove("format").as_ref().and_then(Value::as_str) != Some(FORMAT) {
            return Err(SessionFault::Shape("its format is another"));
        }
        match file.remove("version").as_ref().and_then(Value::as_i64) {
            Some(FORMAT_VERSION) => {}
            Some(other) => return Err(SessionFault::Format(other)),
            None => return Err(SessionFault::Shape("its format has no version")),
        }
        let gun = Gun::parse(&text(file.remove("gun"))?)?;
        let made_on = object(file.remove("made_on").unwrap_or_default())?;
        let documents = object(file.remove("documents").unwrap_or_default())?;
        if !file.is_empty() {
            return Err(SessionFault::Shape("it has an unknown member"));
        }
        for count in [made_on.len(), documents.len()] {
            if count > MAX_SESSION_ROLES {
                return Err(SessionFault::TooMany(count));
            }
        }
        let made_on = made_on.into_iter().map(read_made_on).collect::<Result<_, _>>()?;
        let (mut root, mut targets) = (None, BTreeMap::new());
        for (name, document) in documents {
            let role = signed_in_session(Role::parse(&name)?)?;
            let bytes = STANDARD.decode(text(Some(document))?).map_err(|_| SessionFault::Shape("not base64"))?;
            if role == Role::Root {
                root = Some(read(role, bytes.into())?);
            } else {
                targets.insert(role.clone(), read(role, bytes.into())?);
            }
        }
        Self { gun, made_on, root, targets }.within_limits()
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let made_on = self.made_on.iter().map(|(role, made_on)| {
            let value = serde_json::json!({
                "version": made_on.version.number(),
                "sha256": made_on.sha256.to_hex(),
            });
            (role.to_string(), value)
        });
        let root = self.root.iter().map(|root| (Role::Root.to_string(), &root.raw));
        let documents = root.chain(self.targets.iter().map(|(role, document)| (role.to_string(), &document.raw)));
        let documents = documents.map(|(role, raw)| (role, Value::from(STANDARD.encode(raw))));
        let file = serde_json::json!({
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "gun": self.gun.as_str(),
            "made_on": made_on.collect::<Map<_, _>>(),
            "documents": documents.collect::<Map<_, _>>(),
        });
        let mut bytes = format!("{file:#}").into_bytes();
        bytes.push(b'\n');
        bytes
    }

    /// The repository that it says to be of.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// What it says to be made on.
    #[must_use]
    pub fn made_on(&self) -> &BTreeMap<Role, MadeOn> {
        &self.made_on
    }

    /// The root in it.
    #[must_use]
    pub fn root(&self) -> Option<&Unverified<Root>> {
        self.root.as_ref()
    }

    /// The roles in it that list targets.
    #[must_use]
    pub fn targets(&self) -> &BTreeMap<Role, Unverified<Targets>> {
        &self.targets
    }

    /// All roles in it, root first.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.root.iter().map(|root| &root.role).chain(self.targets.keys())
    }

    /// The same documents with what `choose` makes of the signatures of each.
    ///
    /// # Errors
    /// What `choose` says.
    pub fn with_signatures<E>(
        mut self,
        mut choose: impl FnMut(&Role, &[u8], &[Signature]) -> Result<Vec<Signature>, E>,
    ) -> Result<Self, E> {
        if let Some(root) = &mut self.root {
            sign(root, choose(&root.role, &root.message, &root.signatures)?);
        }
        for document in self.targets.values_mut() {
            sign(document, choose(&document.role, &document.message, &document.signatures)?);
        }
        Ok(self)
    }

    /// The same session with the signatures of another copy of it, too.
    ///
    /// # Errors
    /// [`SessionFault::Another`] if the copy is of another session.
    pub fn joined_by(self, copy: &Self) -> Result<Self, SessionFault> {
        let is_same = self.gun == copy.gun && self.made_on == copy.made_on && self.roles().eq(copy.roles());
        if !is_same {
            return Err(SessionFault::Another);
        }
        self.with_signatures(|role, message, signatures| {
            let root = copy.root.iter().map(|root| (&root.role, &root.message, &root.signatures));
            let targets = copy.targets.values().map(|other| (&other.role, &other.message, &other.signatures));
            let other = root.chain(targets).find(|(other, theirs, _)| *other == role && *theirs == message);
            let (_, _, theirs) = other.ok_or(SessionFault::Another)?;
            let fresh = theirs.iter().filter(|signature| !signatures.contains(signature));
            Ok(signatures.iter().chain(fresh).cloned().collect())
        })
    }

    fn within_limits(self) -> Result<Self, SessionFault> {
        let count = self.roles().count();
        if count == 0 {
            return Err(SessionFault::Empty);
        }
        let most = count.max(self.made_on.len());
        if most > MAX_SESSION_ROLES { Err(SessionFault::TooMany(most)) } else { Ok(self) }
    }
}

fn unsigned<M: Document>(role: Role, document: &M) -> Result<Unverified<M>, SessionFault> {
    read(role, Draft::new(Dialect::Notary, document)?.finish(&[]))
}

/// A document all of which has a meaning.
fn read<M: Document>(role: Role, bytes: Bytes) -> Result<Unverified<M>, SessionFault> {
    let envelope = Envelope::parse(Dialect::Notary, bytes)
        .map_err(|source| SessionFault::Envelope { role: role.clone(), source })?;
    let mut document: Unverified<M> = envelope.decode(role)?;
    if Draft::new(Dialect::Notary, document.claims())?.message() != document.message {
        return Err(SessionFault::Hidden(document.role));
    }
    let signatures = std::mem::take(&mut document.signatures);
    sign(&mut document, signatures);
    Ok(document)
}

/// Gives a document other signatures, and the bytes that it then has.
fn sign<M>(document: &mut Unverified<M>, signatures: Vec<Signature>) {
    document.raw = Dialect::Notary.assemble(&json::wire_of(&document.message), &signatures).into();
    document.signatures = signatures;
}

fn signed_in_session(role: Role) -> Result<Role, SessionFault> {
    match role {
        Role::Root | Role::Targets | Role::Delegation(_) => Ok(role),
        // Over the bytes of the others, their signatures among them; the server's.
        Role::Snapshot | Role::Timestamp => Err(SessionFault::Unsigned(role)),
    }
}

fn read_made_on((name, value): (String, Value)) -> Result<(Role, MadeOn), SessionFault> {
    let role = signed_in_session(Role::parse(&name)?)?;
    let mut members = object(value)?;
    let version = members.remove("version").as_ref().and_then(Value::as_i64);
    let version = Version::new(version.ok_or(SessionFault::Shape("a document that it is made on has no version"))?)?;
    let sha256 = Sha256::from_hex(&text(members.remove("sha256"))?);
    let sha256 = sha256.ok_or(SessionFault::Shape("a document that it is made on has no digest"))?;
    if members.is_empty() {
        Ok((role, MadeOn { version, sha256 }))
    } else {
        Err(SessionFault::Shape("it has an unknown member"))
    }
}

fn object(value: Value) -> Result<Map<String, Value>, SessionFault> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(SessionFault::Shape("an object is missing")),
    }
}

fn text(value: Option<Value>) -> Result<String, SessionFault> {
    match value {
        Some(Value::String(text)) => Ok(text),
        _ => Err(SessionFault::Shape("a text is missing")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Publisher, secret_key, signed, signed_value};
    use crate::{SigningKey as _, UtcTime};

    fn publisher() -> Publisher {
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        let mut publisher =
            Publisher::new(&Gun::parse("a.test/b").unwrap(), secret_key().public(), secret_key().public(), now);
        publisher.tag("1", b"one");
        publisher
    }

    fn session() -> SigningSession {
        let publisher = publisher();
        let made_on = MadeOn { version: Version::FIRST, sha256: Sha256::of(b"root") };
        let targets = [(Role::Targets, &publisher.targets)];
        SigningSession::new(publisher.gun.clone(), [(Role::Root, made_on)].into(), Some(&publisher.root), targets)
            .unwrap()
    }

    /// The file of `session()` with one thing changed.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<SigningSession, SessionFault> {
        let mut file: Value = serde_json::from_slice(&session().to_bytes()).unwrap();
        change(&mut file);
        SigningSession::parse(file.to_string().as_bytes())
    }

    #[test]
    fn a_file_is_read_as_it_was_written_with_its_signatures() {
        let key = secret_key();
        let signature = key.signature(session().targets[&Role::Targets].message(), &ring::rand::SystemRandom::new());
        let signature = signature.unwrap();
        let written = session().with_signatures::<()>(|role, _, _| {
            Ok(if *role == Role::Targets { vec![signature.clone()] } else { Vec::new() })
        });
        let written = written.unwrap();
        let read = SigningSession::parse(&written.to_bytes()).unwrap();
        assert_eq!(read.to_bytes(), written.to_bytes());
        assert_eq!(read.targets[&Role::Targets].signatures(), [signature]);
        assert_eq!(read.roles().collect::<Vec<_>>(), [&Role::Root, &Role::Targets]);
        assert_eq!((read.gun(), read.made_on()), (written.gun(), written.made_on()));
    }

    #[test]
    fn what_is_signed_is_the_very_document() {
        let publisher = publisher();
        let key = secret_key();
        let targets = [(Role::Targets, &publisher.targets)];
        let session = SigningSession::new(publisher.gun.clone(), BTreeMap::new(), None, targets).unwrap();
        let rng = ring::rand::SystemRandom::new();
        let session = session.with_signatures(|_, message, _| key.signature(message, &rng).map(|s| vec![s])).unwrap();
        let document = &session.targets[&Role::Targets];
        let again = Envelope::parse(Dialect::Notary, document.raw.clone()).unwrap().decode::<Targets>(Role::Targets);
        let again = again.unwrap();
        assert_eq!(again.message(), document.message());
        assert!(key.public().verifies(again.message(), &again.signatures()[0]));
    }

    #[test]
    fn content_that_is_not_shown_is_refused() {
        let publisher = publisher();
        let mut value = crate::testing::to_value(&publisher.targets);
        value["note"] = Value::from("unseen");
        let bytes = signed_value(&value, &[&publisher.targets_key]);
        let put = |bytes: &[u8]| changed(|file| file["documents"]["targets"] = Value::from(STANDARD.encode(bytes)));
        assert_eq!(put(&bytes).unwrap_err(), SessionFault::Hidden(Role::Targets));
        assert!(put(&signed(&publisher.targets, &[&publisher.targets_key])).is_ok());
    }

    #[test]
    fn the_signatures_of_two_copies_are_put_together_and_those_of_another_session_are_not() {
        let (one, two, rng) = (secret_key(), secret_key(), ring::rand::SystemRandom::new());
        let session = session();
        let by = |key: &crate::sign::SecretKey| {
            session.clone().with_signatures(|_, message, _| key.signature(message, &rng).map(|s| vec![s])).unwrap()
        };
        let joined = by(&one).joined_by(&by(&two)).unwrap();
        let ids =
            |document: &Unverified<Targets>| document.signatures.iter().map(|s| s.key_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&joined.targets[&Role::Targets]), [one.public().id().clone(), two.public().id().clone()]);
        let again = joined.clone().joined_by(&joined).unwrap();
        assert_eq!(again.to_bytes(), joined.to_bytes());
        let mut other = publisher();
        other.tag("1", b"another");
        let targets = [(Role::Targets, &other.targets)];
        let other =
            SigningSession::new(other.gun.clone(), session.made_on.clone(), Some(&other.root), targets).unwrap();
        assert_eq!(session.joined_by(&other).unwrap_err(), SessionFault::Another);
    }

    #[test]
    fn each_thing_that_is_not_of_the_format_is_refused() {
        let refused = |change: fn(&mut Value)| changed(change).unwrap_err();
        assert_eq!(refused(|f| f["version"] = 2.into()), SessionFault::Format(2));
        assert_eq!(refused(|f| f["format"] = "x".into()), SessionFault::Shape("its format is another"));
        assert_eq!(refused(|f| f["more"] = 1.into()), SessionFault::Shape("it has an unknown member"));
        assert_eq!(
            refused(|f| f["made_on"]["root"]["more"] = 1.into()),
            SessionFault::Shape("it has an unknown member")
        );
        assert_eq!(refused(|f| f["documents"] = serde_json::json!({})), SessionFault::Empty);
        assert_eq!(refused(|f| f["documents"]["snapshot"] = "".into()), SessionFault::Unsigned(Role::Snapshot));
        assert_eq!(refused(|f| f["documents"]["root"] = "*".into()), SessionFault::Shape("not base64"));
        assert!(matches!(refused(|f| f["documents"]["Root"] = "".into()), SessionFault::Role(_)));
        assert!(matches!(refused(|f| f["gun"] = "a/../b".into()), SessionFault::Gun(_)));
        assert!(matches!(refused(|f| f["made_on"]["root"]["version"] = 0.into()), SessionFault::Version(_)));
        assert!(matches!(
            refused(|f| f["documents"]["root"] = f["documents"]["targets"].clone()),
            SessionFault::Decode(_)
        ));
    }

    #[test]
    fn so_many_documents_and_bytes_and_not_one_more() {
        let publisher = publisher();
        let drafted = |count: usize| {
            let role = |n: usize| (Role::parse(&format!("targets/d{n}")).unwrap(), &publisher.targets);
            SigningSession::new(publisher.gun.clone(), BTreeMap::new(), None, (0..count).map(role))
        };
        let most = drafted(MAX_SESSION_ROLES).unwrap();
        assert!(SigningSession::parse(&most.to_bytes()).is_ok());
        assert_eq!(drafted(MAX_SESSION_ROLES + 1).unwrap_err(), SessionFault::TooMany(MAX_SESSION_ROLES + 1));
        let document = STANDARD.encode(&session().targets[&Role::Targets].raw);
        let file = changed(|file| {
            let role = |n| (format!("targets/d{n}"), Value::from(document.clone()));
            file["documents"] = (0..=MAX_SESSION_ROLES).map(role).collect();
        });
        assert_eq!(file.unwrap_err(), SessionFault::TooMany(MAX_SESSION_ROLES + 1));
        let mut bytes = session().to_bytes();
        bytes.resize(MAX_SESSION_BYTES, b' ');
        assert!(SigningSession::parse(&bytes).is_ok());
        bytes.push(b' ');
        assert_eq!(SigningSession::parse(&bytes).unwrap_err(), SessionFault::TooLarge);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = SigningSession::parse(&bytes);
        }

        #[test]
        fn what_is_read_of_a_damaged_file_is_written_and_read_the_same_again(
            at in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let mut bytes = session().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = SigningSession::parse(&bytes) {
                let again = SigningSession::parse(&read.to_bytes()).unwrap();
                prop_assert_eq!(again.to_bytes(), read.to_bytes());
            }
        }
    }
}
