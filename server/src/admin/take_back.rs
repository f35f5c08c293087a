//! Documents that clients have seen and the database has lost: published again, as their publishers signed them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Snapshot, Timestamp};
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, Version};

use super::current::SnapshotHand;
use super::keys::held_keys;
use crate::chain::with_sources;
use crate::clock::Clock;
use crate::publish::roots::TrustedRoots;
use crate::publish::{PublishError, Publisher, Upload, UploadPart};
use crate::signer::{RoleSigner, SignerError};
use crate::store::{Floors, MetadataStore, Newest, StoreError};

/// The documents of one repository.
type Documents = BTreeMap<Role, Bytes>;

/// Publishes what is newer than what is stored, by the rules of every publish.
pub(super) struct TakeBack {
    pub(super) store: Arc<dyn MetadataStore>,
    pub(super) signer: Arc<dyn RoleSigner>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) publisher: Publisher,
    pub(super) roots: TrustedRoots,
}

/// What became of the documents of one repository.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    /// What was published.
    pub(super) published: Vec<(Role, Version)>,
    /// The versions of the server's own documents that were seen and are signed by keys that the stored root names.
    pub(super) seen: Floors,
    /// Why something was not taken.
    pub(super) refused: Vec<String>,
}

impl TakeBack {
    /// # Errors
    /// The store's or the signer's, when it does not answer. What a document is refused for is told in the result.
    pub(super) async fn documents(&self, gun: &Gun, documents: &Documents) -> Result<TakenBack, PublishError> {
        let mut taken = TakenBack::default();
        let newest = self.store.newest(gun).await?;
        let upload = self.upload(gun, &newest, documents, &mut taken).await?;
        if !upload.parts.is_empty() {
            let parts: Vec<_> = upload.parts.iter().map(|part| (part.role.clone(), claimed(&part.bytes))).collect();
            match self.publisher.take_back(gun, upload).await {
                Ok(()) => {
                    let parts = parts.into_iter().filter_map(|(role, version)| Some((role, version.ok()?)));
                    taken.published.extend(parts);
                }
                Err(error) if concerns_all(&error) => return Err(error),
                Err(error) => taken.refused.push(with_sources(&error)),
            }
        }
        self.note_seen(gun, documents, &mut taken).await?;
        Ok(taken)
    }

    /// What is newer than what is stored. The server makes snapshots itself where their key is held.
    async fn upload(
        &self,
        gun: &Gun,
        newest: &Newest,
        documents: &Documents,
        taken: &mut TakenBack,
    ) -> Result<Upload, PublishError> {
        let delegations: BTreeSet<Role> = documents.keys().filter(|role| is_delegation(role)).cloned().collect();
        let mut stored: BTreeMap<Role, Version> = BTreeMap::new();
        if !delegations.is_empty() {
            let found = self.store.newest_of(gun, &delegations).await?;
            stored.extend(found.into_iter().map(|(role, (version, _))| (role, version)));
        }
        stored.extend(newest.root.as_ref().map(|root| (Role::Root, root.version)));
        stored.extend(newest.targets.map(|targets| (Role::Targets, targets.version)));
        stored.extend(newest.snapshot.as_ref().map(|snapshot| (Role::Snapshot, snapshot.version)));
        let mut upload = Upload::default();
        for (role, bytes) in documents {
            match (role, claimed(bytes)) {
                (Role::Timestamp, _) => {}
                (_, Err(why)) => taken.refused.push(format!("{role}: {why}")),
                (_, Ok(version)) if stored.get(role).is_some_and(|stored| *stored >= version) => {}
                (_, Ok(_)) => upload.parts.push(UploadPart { role: role.clone(), bytes: bytes.clone() }),
            }
        }
        if upload.parts.iter().any(|part| part.role == Role::Snapshot)
            && self.hand(gun, newest, &upload).await? != SnapshotHand::Publishers
        {
            upload.parts.retain(|part| part.role != Role::Snapshot);
        }
        Ok(upload)
    }

    /// Who signs snapshots under the root that is to be the newest.
    async fn hand(&self, gun: &Gun, newest: &Newest, upload: &Upload) -> Result<SnapshotHand, PublishError> {
        let uploaded = upload.parts.iter().find(|part| part.role == Role::Root);
        let Some(bytes) = uploaded.map(|part| &part.bytes).or(newest.root.as_ref().map(|root| &root.bytes)) else {
            return Ok(SnapshotHand::Unknown);
        };
        // it is believed when it is published, or was; here it only says whom to ask for
        let root =
            Envelope::parse(Dialect::Notary, bytes.clone()).ok().and_then(|it| it.decode::<Root>(Role::Root).ok());
        let Some(root) = root else { return Ok(SnapshotHand::Unknown) };
        Ok(held_keys(&*self.signer, gun, root.claims(), self.clock.now()).await?.hand)
    }

    /// Which versions of the server's own documents were seen. Only those count that its keys signed: another might name
    /// the last version there is.
    async fn note_seen(&self, gun: &Gun, documents: &Documents, taken: &mut TakenBack) -> Result<(), StoreError> {
        let Some(root) = self.store.latest(gun, &Role::Root).await? else { return Ok(()) };
        let now = self.clock.now();
        let root = match self.roots.believe(gun, &root, now) {
            Err(StoreError::Corrupt { what }) => {
                taken.refused.push(what);
                return Ok(());
            }
            root => root?,
        };
        taken.seen = Floors {
            snapshot: seen::<Snapshot>(documents, BaseRole::Snapshot, root.model(), &mut taken.refused),
            timestamp: seen::<Timestamp>(documents, BaseRole::Timestamp, root.model(), &mut taken.refused),
        };
        Ok(())
    }
}

/// The version of a document of the server's own, if the keys of `root` signed it.
fn seen<M: Document>(documents: &Documents, role: BaseRole, root: &Root, refused: &mut Vec<String>) -> Option<Version> {
    let authority = Authority::of_base(root, role);
    let role = Role::from(role);
    let envelope = Envelope::parse(Dialect::Notary, documents.get(&role)?.clone());
    let document = envelope.map_err(|error| with_sources(&error)).and_then(|envelope| {
        let document = envelope.decode::<M>(role.clone()).map_err(|error| with_sources(&error))?;
        document.verify(&authority).map_err(|error| with_sources(&error))
    });
    match document {
        Ok(document) => Some(document.model().version()),
        Err(why) => {
            let why = format!("{role}: {why}");
            // what is no document was told already
            if !refused.contains(&why) {
                refused.push(why);
            }
            None
        }
    }
}

/// The version that a document claims.
fn claimed(bytes: &Bytes) -> Result<Version, String> {
    let envelope = Envelope::parse(Dialect::Notary, bytes.clone()).map_err(|error| with_sources(&error))?;
    Version::new(envelope.claimed_version()).map_err(|error| error.to_string())
}

fn is_delegation(role: &Role) -> bool {
    matches!(role, Role::Delegation(_))
}

/// Whether the next repository would meet the same error.
fn concerns_all(error: &PublishError) -> bool {
    match error {
        PublishError::Signer(error) => {
            matches!(error, SignerError::Unavailable(_) | SignerError::Deadline(_) | SignerError::Busy { .. })
        }
        PublishError::Store(error) => matches!(error, StoreError::Unavailable(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::testing::{Publisher, secret_key, signed};
    use tuf_schema::{SigningKey as _, UtcTime};

    use super::*;

    #[test]
    fn a_version_that_a_trust_directory_shows_counts_if_the_servers_key_signed_it() {
        let gun = Gun::parse("example.com/app").unwrap();
        let (ours, theirs) = (secret_key(), secret_key());
        let author =
            Publisher::new(&gun, ours.public(), ours.public(), UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        let timestamp = author.timestamp(Version::new(7).unwrap(), b"snapshot");
        let root = &author.root;
        let asked = |bytes: Bytes| {
            let mut refused = Vec::new();
            let documents = [(Role::Timestamp, bytes)].into();
            let version = seen::<Timestamp>(&documents, BaseRole::Timestamp, root, &mut refused);
            (version.map(Version::number), refused)
        };
        assert_eq!(asked(signed(&timestamp, &[&ours])), (Some(7), Vec::new()));
        let (version, refused) = asked(signed(&timestamp, &[&theirs]));
        assert_eq!((version, refused.len()), (None, 1));
        assert!(refused[0].starts_with("timestamp: "), "{refused:?}");
    }
}
