//! Staging changes and publishing them: what every verb that changes a repository does at its end.

use std::collections::BTreeMap;

use bulla::changelist::{Change, Changelist};
use bulla::doctor::Command;
use bulla::publish::{PublishError, Published, StagedError};
use bulla::remote::Action;
use bulla::session::Session;
use bulla::trust::UpdateError;
use clap::Args;
use serde::Serialize;
use tuf_schema::json::Value;
use tuf_schema::model::{DelegatedRole, Target, Targets};
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{Gun, PublicKey, Role};

use super::RepoError;
use crate::cmd::table;
use crate::cmd::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::printable::line;

/// Whether to publish at once.
#[derive(Args)]
pub(crate) struct Publish {
    /// Publish at once, together with what is staged already
    #[arg(short, long)]
    publish: bool,
}

/// A change as it is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    action: String,
    scope: String,
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hashes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_paths: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_paths: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clear_paths: bool,
}

/// What was staged, and whether it is published.
#[derive(Serialize)]
struct Staged {
    gun: String,
    staged: Vec<Shown>,
    published: Option<Done>,
    /// notary's words for what was staged.
    #[serde(skip)]
    words: String,
}

/// What a publish did.
#[derive(Serialize)]
pub(super) struct Done {
    /// Changes that were published.
    changes: Vec<Shown>,
    /// Roles that were signed.
    roles: Vec<String>,
    /// Whether the trust server did not know the repository before.
    initialized: bool,
}

impl Publish {
    /// What came of publishing at once, or why nothing did; neither if it was not asked for. Either is told after what
    /// the verb itself did, which stays done.
    pub(super) async fn if_wanted(&self, gun: &Gun, context: &Context) -> (Option<Done>, Option<CliError>) {
        if !self.publish {
            return (None, None);
        }
        match publish_staged(gun, context).await {
            Ok(done) => (Some(done), None),
            Err(e) => (None, Some(e)),
        }
    }
}

impl Show for Staged {
    fn text(&self) -> String {
        match &self.published {
            None => self.words.clone(),
            Some(_) => format!("{}\n{}", self.words, auto_published(&self.gun)),
        }
    }
}

impl Shown {
    /// A change as it is shown.
    pub(super) fn of(change: &Change) -> Self {
        let words = change.words();
        let mut shown = Self {
            action: words.action,
            scope: words.role,
            kind: words.kind,
            path: words.path,
            length: None,
            hashes: BTreeMap::new(),
            custom: None,
            add_keys: Vec::new(),
            remove_keys: Vec::new(),
            add_paths: Vec::new(),
            remove_paths: Vec::new(),
            clear_paths: false,
        };
        match change {
            Change::AddTarget { target, .. } => {
                shown.length = Some(target.length);
                let hash = |(name, bytes): (&str, &[u8])| (name.to_owned(), hex::encode(bytes));
                shown.hashes = target.digests.by_name().map(hash).collect();
                shown.custom.clone_from(&target.custom);
            }
            Change::GrantDelegation { keys, paths, .. } => {
                shown.add_keys = keys.iter().map(bare_id).collect();
                shown.add_paths.clone_from(paths);
            }
            Change::EditDelegation { edit, .. } => {
                shown.add_keys = edit.add_keys.iter().map(bare_id).collect();
                shown.remove_keys = edit.remove_keys.iter().map(ToString::to_string).collect();
                shown.add_paths.clone_from(&edit.add_paths);
                shown.remove_paths.clone_from(&edit.remove_paths);
                shown.clear_paths = edit.clear_paths;
            }
            Change::PurgeKeys { keys, .. } => shown.remove_keys = keys.iter().map(ToString::to_string).collect(),
            Change::RemoveTarget { .. } | Change::DeleteDelegation { .. } | Change::Witness { .. } => {}
        }
        shown
    }
}

/// notary's table of staged changes.
pub(super) fn in_words(changes: &[Shown]) -> String {
    let rows = changes.iter().enumerate().map(|(number, change)| {
        let Shown { action, scope, kind, path, .. } = change;
        [number.to_string(), action.clone(), scope.clone(), kind.clone(), line(path)]
    });
    table::render(["#", "ACTION", "SCOPE", "TYPE", "PATH"], rows).trim_end_matches('\n').to_owned()
}

/// notary's words after `-p`.
pub(super) fn auto_published(gun: &str) -> String {
    format!("Auto-publishing changes to {gun}\nSuccessfully published changes for repository {gun}")
}

/// The id under which people know a key.
pub(crate) fn bare_id(key: &PublicKey) -> String {
    key.canonical_id().to_string()
}

/// Stages `changes`, publishes what is staged if that was asked for, and says both in notary's `words`.
pub(crate) async fn stage(
    gun: &Gun,
    changes: &[Change],
    words: String,
    publish: &Publish,
    context: &Context,
) -> Result<Exit, CliError> {
    let list = Changelist::new(&context.config.trust, gun);
    list.append(changes, context.now, &context.rng).map_err(RepoError::from)?;
    let (published, failure) = publish.if_wanted(gun, context).await;
    // Said also when publishing failed: it is staged then.
    let staged = changes.iter().map(Shown::of).collect();
    context.out.show(&Staged { gun: gun.to_string(), staged, published, words })?;
    failure.map_or(Ok(Exit::Success), Err)
}

/// Publishes everything that is staged, after it was shown, and takes it away.
pub(super) async fn publish_staged(gun: &Gun, context: &Context) -> Result<Done, CliError> {
    let failed = |source: PublishError| RepoError::Publish { gun: gun.clone(), source: Box::new(source) };
    let session = Session::open(&context.config, gun, Action::PullAndPush).await?;
    let opened = Opened::of(session).map_err(failed)?;
    let mut keys = context.keyring()?;
    let mut publisher = opened.publisher(&mut keys, context);
    let list = Changelist::new(&context.config.trust, gun);
    let show = |changes: &[bulla::changelist::Staged]| {
        for staged in changes {
            let words = staged.change.words();
            let path = if words.path.is_empty() { String::new() } else { format!(" {}", words.path) };
            context.out.note(&format!("Publishing: {} {} in {}{path}", words.action, words.kind, words.role));
        }
    };
    let adopted = |role: &Role, listed: &Targets| context.out.note_lines(&adopted(role, listed));
    let (published, changes) = publisher.publish_staged(&list, &show, &adopted).await.map_err(|e| match e {
        StagedError::List(e) => RepoError::Changelist(e),
        StagedError::Lock(e) => RepoError::Lock(e),
        StagedError::Publish(PublishError::Update(UpdateError::Chain(ChainError::NoTrustData(gun)))) => {
            RepoError::NothingToPublish(gun)
        }
        StagedError::Publish(e) => {
            if matches!(e, PublishError::Edit(_)) {
                let bulla = |words: &[&str]| Command::bulla(&context.flags, words);
                let (status, reset) =
                    (["repo", "status", gun.as_str()], ["repo", "reset", gun.as_str(), "-n", "NUMBER"]);
                context.out.note(&format!(
                    "What is staged stays staged: `{}` shows it, `{}` takes a change away",
                    bulla(&status),
                    bulla(&reset)
                ));
            }
            failed(e)
        }
        StagedError::NotCleared(source) => RepoError::NotCleared { gun: gun.clone(), source },
    })?;
    opened.tell(&published, context);
    Ok(Done::of(&published, &changes))
}

/// What a role lists that does not count now, for whoever is about to sign it.
fn adopted(role: &Role, listed: &Targets) -> String {
    let first =
        format!("Signing {role} as it is, though it does not count now: version {}, which lists", listed.version);
    let target = |(name, target): (&String, &Target)| {
        let digest = |(kind, bytes): (&str, &[u8])| format!("{kind}:{}", hex::encode(bytes));
        let digests: Vec<_> = target.digests.by_name().map(digest).collect();
        format!("  {} {}, {} bytes", line(name), digests.join(" "), target.length)
    };
    let delegation = |given: &DelegatedRole| format!("  the delegation {}", given.name);
    let listed = listed.targets.iter().map(target).chain(listed.delegations.roles.iter().map(delegation));
    std::iter::once(first).chain(listed).collect::<Vec<_>>().join("\n")
}

impl Done {
    fn of(published: &Published, changes: &[bulla::changelist::Staged]) -> Self {
        Self {
            changes: changes.iter().map(|staged| Shown::of(&staged.change)).collect(),
            roles: published.roles.iter().map(ToString::to_string).collect(),
            initialized: published.initialised,
        }
    }
}

#[cfg(test)]
mod tests {
    use bulla::changelist::DelegationEdit;
    use tuf_schema::model::Delegations;
    use tuf_schema::testing::secret_key;
    use tuf_schema::version::Version;
    use tuf_schema::{DelegationName, Digests, KeyId, SigningKey as _, UtcTime};

    use super::*;

    fn json(change: &Change) -> String {
        serde_json::to_string(&Shown::of(change)).unwrap()
    }

    #[test]
    fn a_change_is_shown_with_all_that_it_says_and_nothing_else() {
        let target = Target {
            length: 3,
            digests: Digests::new([("sha256", vec![0xab, 1])]),
            custom: Some(serde_json::json!({"a": 1})),
        };
        let add = Change::AddTarget { role: Role::Targets, name: "v1".into(), target };
        assert_eq!(
            json(&add),
            r#"{"action":"create","scope":"targets","type":"target","path":"v1","length":3,"hashes":{"sha256":"ab01"},"custom":{"a":1}}"#
        );
        let name = DelegationName::parse("targets/a").unwrap();
        let key = secret_key().public().clone();
        let id = key.id().clone();
        let grant = Change::GrantDelegation {
            name: name.clone(),
            threshold: None,
            keys: vec![key.clone()],
            paths: vec![String::new()],
        };
        assert_eq!(
            json(&grant),
            format!(
                r#"{{"action":"create","scope":"targets/a","type":"delegation","path":"","add_keys":["{id}"],"add_paths":[""]}}"#
            )
        );
        let edit = DelegationEdit {
            add_keys: vec![key],
            remove_keys: vec![KeyId::from_wire("k")],
            add_paths: vec!["b".into()],
            remove_paths: vec!["c".into()],
            clear_paths: true,
        };
        assert_eq!(
            json(&Change::EditDelegation { name: name.clone(), edit }),
            format!(
                r#"{{"action":"update","scope":"targets/a","type":"delegation","path":"","add_keys":["{id}"],"remove_keys":["k"],"add_paths":["b"],"remove_paths":["c"],"clear_paths":true}}"#
            )
        );
        let purge = Change::PurgeKeys { below: Role::Targets, keys: vec![KeyId::from_wire("k")] };
        assert_eq!(
            json(&purge),
            r#"{"action":"update","scope":"targets/*","type":"delegation","path":"","remove_keys":["k"]}"#
        );
        let delete = Change::DeleteDelegation { name };
        assert_eq!(json(&delete), r#"{"action":"delete","scope":"targets/a","type":"delegation","path":""}"#);
        let witness = Change::Witness { role: Role::Targets };
        assert_eq!(json(&witness), r#"{"action":"update","scope":"targets","type":"witness","path":""}"#);
    }

    #[test]
    fn who_signs_what_does_not_count_is_shown_each_name_and_digest_of_it() {
        let digests = Digests::new([("sha256", vec![0xab, 1])]);
        let target = Target { length: 3, digests, custom: None };
        let listed = Targets {
            version: Version::FIRST,
            expires: UtcTime::parse("2026-11-22T00:00:00Z").unwrap(),
            targets: BTreeMap::from([("v1\u{1b}\nx".into(), target)]),
            delegations: Delegations::default(),
        };
        assert_eq!(
            adopted(&Role::parse("targets/a").unwrap(), &listed),
            "Signing targets/a as it is, though it does not count now: version 1, which lists\n  \
             v1\\u{1b}\\u{a}x sha256:ab01, 3 bytes"
        );
    }

    #[test]
    fn what_is_staged_is_shown_in_notary_s_table() {
        let change = |role: &str| Shown::of(&Change::Witness { role: Role::parse(role).unwrap() });
        // notary status, cat -A
        let expected = "#    ACTION    SCOPE               TYPE       PATH\n\
                        -    ------    -----               ----       ----\n\
                        0    update    targets/releases    witness    \n\
                        1    update    targets             witness    ";
        assert_eq!(in_words(&[change("targets/releases"), change("targets")]), expected);
    }
}
