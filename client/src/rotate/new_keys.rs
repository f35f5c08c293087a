//! The new keys of a rotation: asked of the server first, so that one that refuses leaves no key behind, then made here.

use std::path::Path;

use tuf_schema::key::x509::Expiry;
use tuf_schema::model::Root;
use tuf_schema::sign::{SigningKey as _, self_signed_root_certificate};
use tuf_schema::verify::chain::{DocumentName, Which};
use tuf_schema::verify::limits::MAX_DOCUMENT_BYTES;
use tuf_schema::verify::{Authority, trust_first};
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, Dialect, Envelope, PublicKey, Role};

use super::edit::{Exchange, RotateKeys};
use super::plan::{Plan, Source, Step, base_role};
use super::{Look, RotationError};
use crate::keys::{KeyRole, StoredKey};
use crate::publish::{PublishError, Publisher};

/// Makes the keys of `plan`; `made` are those that were not here before.
pub(super) async fn prepare(
    publisher: &mut Publisher<'_>,
    plan: &Plan,
    made: &mut Vec<StoredKey>,
) -> Result<RotateKeys, RotationError> {
    let mut edit = RotateKeys { older: older_roots(publisher, plan).await?, ..RotateKeys::default() };
    for step in plan.steps.iter().filter(|step| step.source == Source::Server) {
        if let Some(role) = base_role(&step.role) {
            let key = publisher.remote.rotate_server_key(role).await;
            edit.bases.push((role, vec![key.map_err(|source| RotationError::ServerKey { role, source })?]));
        }
    }
    for step in &plan.steps {
        let keys = match &step.source {
            Source::Server => continue,
            Source::Made => vec![make(publisher, step, made)?],
            Source::Files(files) => {
                let taken = files.iter().map(|file| take(publisher, step, file, made));
                taken.collect::<Result<_, _>>()?
            }
        };
        match &step.role {
            Role::Delegation(name) => {
                edit.delegations.push(Exchange { role: name.clone(), old: step.old.clone(), new: keys });
            }
            base => edit.bases.extend(base_role(base).map(|role| (role, keys))),
        }
    }
    Ok(edit)
}

fn make(publisher: &mut Publisher<'_>, step: &Step, made: &mut Vec<StoredKey>) -> Result<PublicKey, RotationError> {
    let role = key_role(step);
    let gun = role.is_of_one_repository().then_some(publisher.gun);
    let stored = publisher.keys.create(role, gun, publisher.rng)?;
    made.push(stored.clone());
    public_of(publisher, step, &stored)
}

/// A key as the role's keys are listed: root's with a certificate.
fn public_of(publisher: &mut Publisher<'_>, step: &Step, stored: &StoredKey) -> Result<PublicKey, RotationError> {
    let key = publisher.keys.open(stored)?;
    if step.role != Role::Root {
        return Ok(key.public().clone());
    }
    let certificate = self_signed_root_certificate(key, publisher.gun, publisher.now, publisher.rng);
    Ok(certificate.map_err(PublishError::Certificate)?)
}

fn take(
    publisher: &mut Publisher<'_>,
    step: &Step,
    file: &Path,
    made: &mut Vec<StoredKey>,
) -> Result<PublicKey, RotationError> {
    let role = key_role(step);
    if let Some(stored) = publisher.keys.told_of_by(file)? {
        return public_of(publisher, step, &stored);
    }
    let secret = publisher.keys.open_foreign(file, &role)?;
    let public = match step.role {
        Role::Root => self_signed_root_certificate(&secret, publisher.gun, publisher.now, publisher.rng)
            .map_err(|source| RotationError::NoRootKey { path: file.to_owned(), source })?,
        _ => secret.public().clone(),
    };
    let gun = role.is_of_one_repository().then_some(publisher.gun);
    let imported = publisher.keys.import(secret, role, gun, publisher.rng)?;
    if imported.is_new {
        made.push(imported.key);
    }
    Ok(public)
}

/// What the file of a new key says that it is for.
fn key_role(step: &Step) -> KeyRole {
    step.key_role.clone().unwrap_or_else(|| KeyRole::parse(step.role.as_str()))
}

/// Those keys of older roots that are here and signed them: they may sign what follows, for readers who missed some.
async fn older_roots(publisher: &mut Publisher<'_>, plan: &Plan) -> Result<Vec<Authority>, RotationError> {
    if plan.older_roots == 0 {
        return Ok(Vec::new());
    }
    let working = publisher.plan(&Look).await?;
    let current = working.root().version.number();
    let mut older = Vec::new();
    for version in (1..current).rev().take(usize::try_from(plan.older_roots).unwrap_or(usize::MAX)) {
        let unusable = |why: String| RotationError::OlderRoot { version, why };
        let which = Version::new(i64::from(version)).map_err(|e| unusable(e.to_string()))?;
        let name = DocumentName { role: Role::Root, which: Which::Version(which) };
        let bytes = publisher.remote.fetch(&name, MAX_DOCUMENT_BYTES).await.map_err(PublishError::from)?;
        let bytes = bytes.ok_or_else(|| unusable("it is not there".into()))?;
        let envelope = Envelope::parse(Dialect::Notary, bytes.into()).map_err(|e| unusable(e.to_string()))?;
        let document = envelope.decode::<Root>(Role::Root).map_err(|e| unusable(e.to_string()))?;
        let root = trust_first(document.clone(), publisher.gun, publisher.now, Expiry::Ignored);
        let root = root.map_err(|e| unusable(e.to_string()))?;
        let ours = Authority::of_base(root.model(), BaseRole::Root)
            .restricted(|key| working.keys().held(&Role::Root, key).is_some());
        // Who signed none of the repository's roots does not begin to now.
        if !document.signers(&ours).is_empty() {
            older.push(ours);
        }
    }
    Ok(older)
}
