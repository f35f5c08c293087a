//! `bulla doctor`: what expires when, whose keys are where, what is wrong, and the command that mends it.

use bulla::config::Flags;
use bulla::doctor::{self, Command, Diagnosis, Finding, Leftover, RoleState};
use bulla::keys::AbsentToken;
use bulla::remote::Action;
use bulla::renew::By;
use clap::Args;
use serde::Serialize;
use tuf_schema::{Gun, KeyId, Role, UtcTime};

use super::batch::{self, Batch};
use super::moment::Moment;
use super::table;
use super::trust::opened::Opened;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::Show;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repositories, or images of them [default: all that the trust directory knows]
    #[arg(value_name = "GUN", conflicts_with_all = ["host", "all"])]
    repositories: Vec<String>,
    /// Those of the trust directory whose names begin with this host
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "all")]
    host: Option<String>,
    /// All that the trust directory knows
    #[arg(long)]
    all: bool,
}

/// Everything that was looked at.
#[derive(Serialize)]
struct Report {
    /// What is wrong in the trust directory.
    directory: Vec<Said>,
    #[serde(flatten)]
    batch: Batch<Checkup>,
}

/// One repository.
#[derive(Serialize)]
struct Checkup {
    gun: String,
    roles: Vec<RoleRow>,
    root_certificates: Vec<CertificateRow>,
    findings: Vec<Said>,
}

#[derive(Serialize)]
struct CertificateRow {
    key: String,
    ends: Moment,
}

#[derive(Serialize)]
struct RoleRow {
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Moment>,
    threshold: u32,
    keys: Vec<KeyRow>,
}

#[derive(Serialize)]
struct KeyRow {
    id: String,
    here: bool,
}

/// Something that was found, in words.
#[derive(Serialize)]
struct Said {
    needs_doing: bool,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl Show for Report {
    fn text(&self) -> String {
        let directory = self.directory.iter().map(Said::line).collect::<Vec<_>>().join("\n");
        let texts = [directory, self.batch.text()];
        texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

impl Show for Checkup {
    fn text(&self) -> String {
        let rows = self.roles.iter().map(|row| {
            let version = row.version.map(|version| version.to_string()).unwrap_or_default();
            [row.role.clone(), version, row.ends.map_or_else(|| "-".to_owned(), |ends| ends.to_string()), row.holders()]
        });
        let certificates = self.root_certificates.iter().map(|certificate| {
            ["root certificate".to_owned(), String::new(), certificate.ends.to_string(), certificate.key.clone()]
        });
        let rows = rows.chain(certificates);
        let mut text = format!("{}\n", self.gun);
        if !self.roles.is_empty() {
            text.push_str(&table::render(["ROLE", "VERSION", "ENDS", "KEYS"], rows));
        }
        if self.findings.is_empty() {
            text.push_str("nothing to do\n");
        }
        text.push_str(&self.findings.iter().map(Said::line).collect::<Vec<_>>().join("\n"));
        text.trim_end().to_owned()
    }
}

impl RoleRow {
    fn of(state: &RoleState) -> Self {
        Self {
            role: state.role.to_string(),
            version: state.version,
            ends: state.ends.map(Moment),
            threshold: state.threshold,
            keys: state.keys.iter().map(|(id, here)| KeyRow { id: id.to_string(), here: *here }).collect(),
        }
    }

    fn holders(&self) -> String {
        let here = self.keys.iter().filter(|key| key.here).count();
        let of = match (self.keys.len(), self.threshold) {
            (1, 1) => String::new(),
            (count, 1) => format!(" of {count}"),
            (count, threshold) => format!(" of {count}, {threshold} must sign"),
        };
        match (here, self.role.as_str()) {
            (0, "timestamp") => "the trust server's".to_owned(),
            // Nothing that is published tells which, and the server would make a key if it were asked for its own.
            (0, "snapshot") => "the trust server's, or another client's".to_owned(),
            (0, _) => format!("none here{of}"),
            (count, _) => format!("{count} here{of}"),
        }
    }
}

impl Said {
    fn line(&self) -> String {
        let label = if self.needs_doing { "to do" } else { "note" };
        match &self.command {
            Some(command) => format!("{label}: {}: {command}", self.text),
            None => format!("{label}: {}", self.text),
        }
    }

    fn of_finding(finding: &Finding, gun: &Gun, flags: &Flags) -> Self {
        let command = finding.mend(gun, flags).map(|command| command.to_string());
        Self { needs_doing: finding.needs_doing(), text: words(finding, gun, flags), command }
    }

    /// A token that is kept in a safe is nothing to be mended.
    fn of_absent(absent: &AbsentToken) -> Self {
        let keys = absent.keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("{} is not there; plug it in to sign with what is on it: {keys}", absent.token);
        Self { needs_doing: false, text, command: None }
    }

    fn of_leftover(leftover: &Leftover) -> Self {
        Self { needs_doing: true, text: leftover.to_string(), command: Some(leftover.mend().to_string()) }
    }
}

/// Runs the verb.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let guns = repositories(arguments, context)?;
    if guns.is_empty() {
        let of = arguments.host.as_ref().map(|host| format!(" of {host}")).unwrap_or_default();
        context.out.note(&format!("no repository{of} is known in {}", context.config.trust.as_path().display()));
    }
    let mut keys = context.keyring()?;
    let failed = |source| CliError::Doctor { directory: context.config.trust.as_path().to_owned(), source };
    let leftovers = doctor::examine_directory(&context.config.trust, &keys, context.now).map_err(failed)?;
    let mut batch = Batch::default();
    for gun in &guns {
        let outcome = match Opened::to(Action::Pull, gun, context).await {
            Ok(opened) => {
                let examined = doctor::examine(&mut opened.publisher(&mut keys, context), &context.config.trust).await;
                examined.map_err(|e| CliError::Publish(Box::new(e)))
            }
            Err(e) => Err(e),
        };
        batch.push(gun, outcome.map(|diagnosis| checkup(&diagnosis, &context.flags)));
    }
    let mut directory: Vec<_> = leftovers.iter().map(Said::of_leftover).collect();
    match keys.absent_tokens() {
        Ok(absent) => directory.extend(absent.iter().map(Said::of_absent)),
        Err(e) => directory.push(Said {
            needs_doing: true,
            text: format!("the keys that are on tokens cannot be looked for: {e}"),
            command: None,
        }),
    }
    let report = Report { directory, batch };
    context.out.show(&report)?;
    let said = report.batch.done().iter().flat_map(|checkup| &checkup.findings).chain(&report.directory);
    let count = said.filter(|said| said.needs_doing).count();
    match report.batch.exit(context) {
        Exit::Success if count > 0 => {
            let message =
                if count == 1 { "1 thing needs doing".to_owned() } else { format!("{count} things need doing") };
            context.out.failures(Code::Unhealthy, &[message]);
            Ok(Code::Unhealthy.exit())
        }
        exit => Ok(exit),
    }
}

fn repositories(arguments: &Arguments, context: &Context) -> Result<Vec<Gun>, CliError> {
    if !arguments.repositories.is_empty() {
        return batch::repositories(&arguments.repositories, None, context);
    }
    let failed = |e: bulla::cache::FileError| CliError::Doctor {
        directory: context.config.trust.as_path().to_owned(),
        source: e.into(),
    };
    let mut known = doctor::known_repositories(&context.config.trust).map_err(failed)?;
    if let Some(host) = &arguments.host {
        known.retain(|gun| gun.as_str().split('/').next() == Some(host));
    }
    Ok(known)
}

fn checkup(diagnosis: &Diagnosis, flags: &Flags) -> Checkup {
    let mut findings: Vec<_> = diagnosis.findings.iter().map(|f| Said::of_finding(f, &diagnosis.gun, flags)).collect();
    findings.sort_by_key(|said| !said.needs_doing);
    let certificates = diagnosis.certificates.iter();
    let row = |(key, ends): &(KeyId, UtcTime)| CertificateRow { key: key.to_string(), ends: Moment(*ends) };
    Checkup {
        gun: diagnosis.gun.to_string(),
        roles: diagnosis.roles.iter().map(RoleRow::of).collect(),
        root_certificates: certificates.map(row).collect(),
        findings,
    }
}

fn words(finding: &Finding, gun: &Gun, flags: &Flags) -> String {
    let ids = |keys: &[KeyId]| keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    match finding {
        Finding::Ends { item, has_ended } => {
            let (what, ends) = (super::renew::name(&item.what), item.ends);
            let state = if *has_ended { format!("{what} expired {ends}") } else { format!("{what} ends {ends}") };
            match &item.by {
                By::Here => state,
                By::Holders { keys, threshold } => {
                    format!("{state}; {}", super::renew::others(item, keys, *threshold, gun, *has_ended))
                }
                By::Server => format!("{state}; {}", super::renew::of_server(item, gun)),
            }
        }
        Finding::UnderSigned { role: Role::Delegation(role), keys, need, here } => {
            let next = if *here {
                let list = Command::bulla(flags, &["repo", "list", gun.as_str(), "--roles", role.as_str()]);
                format!("look at what it lists ({list}), then sign it")
            } else if *need > 1 {
                super::renew::in_session(keys, *need, gun, role.as_str())
            } else {
                format!("the holder of {} runs: bulla repo witness -p {gun} {role}", ids(keys))
            };
            format!("{role} lacks signatures of its keys, so nothing that it lists counts; {next}")
        }
        Finding::UnderSigned { role, .. } => format!("{role} lacks signatures of its keys"),
        Finding::Several { role, need, keys, here } => {
            let is_or_are = if *here == 1 { "is" } else { "are" };
            let counted = format!("{role} takes {need} signatures of its {keys} keys, and {here} {is_or_are} here");
            let gun = gun.as_str();
            let next = match role {
                _ if u64::from(*need) <= *here as u64 => format!("{counted}, which sign by themselves"),
                Role::Root => {
                    let set = Command::bulla(flags, &["threshold", "set", gun]);
                    format!("{counted}: keys and thresholds are changed in a session: {set} ROLE M --session FILE")
                }
                _ => {
                    let start = Command::bulla(flags, &["session", "start", gun, "FILE"]);
                    format!("{counted}: what is staged is signed in a session: {start}")
                }
            };
            let lost = super::threshold::where_all_must_sign(role, *need, *keys).map(|lost| format!("; {lost}"));
            next + &lost.unwrap_or_default()
        }
        Finding::TooFewKeys(few) => {
            let set = Command::bulla(flags, &["threshold", "set", gun.as_str(), few.role.as_str()]);
            format!("{few}, and nothing that it lists counts; {}", few.mend(&set.to_string()))
        }
        Finding::NeverSigned(role) => format!("{role} was given and never signed"),
        Finding::Staged(1) => "1 change is staged and not published".to_owned(),
        Finding::Staged(count) => format!("{count} changes are staged and not published"),
        Finding::BadStaging(e) => e.to_string(),
        Finding::NotThere => {
            "the trust server does not know it, though a root of it is kept here: the first publish did not \
             end, or the server lost it"
                .to_owned()
        }
        Finding::NotThereNorKeys(keys) => {
            let forget = Command::bulla(flags, &["repo", "delete", gun.as_str()]);
            format!(
                "the trust server does not know it, though a root of it is kept here, and the first publish cannot end \
                 without one of these keys: {}; bring one with bulla key import FILE, or forget it here, to begin anew, \
                 with: {forget}",
                ids(keys)
            )
        }
        Finding::Lost => {
            let forget = Command::bulla(flags, &["repo", "delete", gun.as_str()]);
            format!(
                "the trust server says that it never heard of it, but served it before: have it restored; if it was \
                 deleted on purpose, forget it here with: {forget}"
            )
        }
        Finding::NeverPublished => "nobody has published it".to_owned(),
        Finding::KeptForOther { role, key, kept_for } => {
            format!("the key {key} of {role} is here, kept for {kept_for}, and does not sign for {role}")
        }
        Finding::Unused(key, role) => {
            format!(
                "no role has the {role} key {key} that is kept for it: a new one that has to be given to a role yet, an \
                 old one, or that of a rotation that failed; if it is of no use any more"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use bulla::publish::TooFewKeys;

    use super::*;

    fn said(finding: &Finding) -> Said {
        Said::of_finding(finding, &Gun::parse("a.test/b").unwrap(), &Flags::default())
    }

    #[test]
    fn of_a_role_that_several_sign_it_is_said_how_and_what_a_lost_key_does() {
        let several = |role, need, here| said(&Finding::Several { role, need, keys: 3, here }).text;
        let in_session = several(Role::Targets, 2, 1);
        assert!(
            in_session.ends_with("1 is here: what is staged is signed in a session: bulla session start a.test/b FILE")
        );
        let alone = several(Role::Targets, 2, 2);
        assert!(alone.ends_with("2 signatures of its 3 keys, and 2 are here, which sign by themselves"), "{alone}");
        let all = several(Role::Root, 3, 1);
        assert!(
            all.contains("in a session: bulla threshold set a.test/b ROLE M --session FILE; all 3 keys of root must")
        );
        assert!(all.contains("if one is lost, the root can never be signed again"), "{all}");
    }

    #[test]
    fn a_snapshot_key_that_is_not_here_is_the_server_s_or_another_client_s() {
        let holders = |role: &str| {
            let keys = vec![(KeyId::from_wire("k"), false)];
            RoleRow::of(&RoleState { role: Role::parse(role).unwrap(), version: None, ends: None, keys, threshold: 1 })
                .holders()
        };
        assert_eq!(holders("timestamp"), "the trust server's");
        assert_eq!(holders("snapshot"), "the trust server's, or another client's");
    }

    #[test]
    fn a_delegation_with_too_few_keys_is_for_those_who_sign_the_role_above_it() {
        let role = Role::parse("targets/releases/qa").unwrap();
        let said = said(&Finding::TooFewKeys(TooFewKeys { role, need: 3, keys: 1 }));
        assert!(said.needs_doing && said.command.is_none());
        let what = "targets/releases/qa takes 3 signatures, more than it has keys (1), so nobody can sign it, and nothing \
                    that it lists counts; ";
        assert!(said.text.starts_with(what), "{}", said.text);
        let next = "who signs targets/releases gives it 2 more keys, or a lower number M: bulla threshold set a.test/b \
                    targets/releases/qa M --add-key FILE";
        assert!(said.text.ends_with(next), "{}", said.text);
    }
}
