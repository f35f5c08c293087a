//! Roles that several people sign: thresholds are set and kept, and sessions are signed, refused and published.

use std::num::NonZeroU32;

use bulla::keys::KeyRole;
use bulla::publish::{Edit, Publisher, SignTags};
use bulla::signing_session::{self, Done, Examined, SessionError};
use bulla::threshold::SetThreshold;
use ring::rand::SystemRandom;
use tuf_schema::model::Targets;
use tuf_schema::session::SigningSession;
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::{Gun, KeyId, PublicKey, Role, SigningKey as _};

use crate::world::{Person, Server, gun, manifest, now, tag};

mod certificates;
mod refusals;
mod signatures;
mod thresholds;
mod told;
mod witnessing;

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

fn set(name: &str, threshold: u32, add: Vec<PublicKey>, remove: Vec<KeyId>) -> SetThreshold {
    SetThreshold { role: role(name), threshold: NonZeroU32::new(threshold).unwrap(), add, remove }
}

fn one_tag(name: &str) -> SignTags {
    SignTags::new([(tag(name), manifest(name.as_bytes()))])
}

/// A key of the repository, made by `person`.
fn targets_key(person: &Person) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.create(KeyRole::Targets, Some(&gun()), &SystemRandom::new()).unwrap();
    keys.open(&stored).unwrap().public().clone()
}

/// A root key of `person` with a certificate for `gun`.
fn root_key(person: &Person, gun: &Gun) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Root);
    let stored = stored.unwrap_or_else(|| keys.create(KeyRole::Root, None, &SystemRandom::new()).unwrap());
    self_signed_root_certificate(keys.open(&stored).unwrap(), gun, now(), &SystemRandom::new()).unwrap()
}

/// What a person does with a session.
impl Person {
    async fn start(&self, server: &Server, edit: &dyn Edit) -> Result<SigningSession, SessionError> {
        self.publishing(server, async |publisher| signing_session::start(publisher, edit).await).await
    }

    async fn look(&self, server: &Server, session: &SigningSession) -> Result<Examined, SessionError> {
        self.publishing(server, async |publisher| signing_session::examine(publisher, session.clone()).await).await
    }

    /// Signs it as it comes out of a file.
    async fn consent(&self, server: &Server, session: &SigningSession) -> Result<SigningSession, SessionError> {
        let session = SigningSession::parse(&session.to_bytes()).unwrap();
        let sign = async |publisher: &mut Publisher<'_>| {
            let examined = signing_session::examine(publisher, session).await?;
            Ok(signing_session::sign(publisher, &examined)?.0)
        };
        self.publishing(server, sign).await
    }

    async fn send(&self, server: &Server, session: &SigningSession) -> Result<Done, SessionError> {
        let send = async |publisher: &mut Publisher<'_>| {
            signing_session::publish(publisher, session.clone(), &mut |_| {}).await
        };
        self.publishing(server, send).await
    }
}

/// Three people, each with a key of targets, two of which must sign.
pub(crate) async fn two_of_three() -> (Server, [Person; 3]) {
    let (server, people) = (Server::new(), [Person::new(), Person::new(), Person::new()]);
    let [a, b, c] = &people;
    a.sign(&server, "1", b"one").await.unwrap();
    let session = a.start(&server, &set("targets", 2, vec![targets_key(b), targets_key(c)], vec![])).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    b.send(&server, &session).await.unwrap();
    (server, people)
}

/// The same session with the document of targets changed.
fn with_targets(session: &SigningSession, change: impl FnOnce(&mut Targets)) -> SigningSession {
    let mut targets = session.targets()[&Role::Targets].claims().clone();
    change(&mut targets);
    let root = session.root().map(|root| root.claims());
    SigningSession::new(gun(), session.made_on().clone(), root, [(Role::Targets, &targets)]).unwrap()
}
