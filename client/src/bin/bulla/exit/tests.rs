//! That the table of exit codes is the one that is documented, and what some failures are.

use bulla::publish::PublishError;
use bulla::trust::UpdateError;
use tuf_schema::verify::chain::{ChainError, Skipped};
use tuf_schema::{Gun, Role};

use super::*;

const CODES: [Code; Code::Unreachable as usize + 1] = [
    Code::Usage,
    Code::Invalid,
    Code::File,
    Code::NoKey,
    Code::Passphrase,
    Code::Key,
    Code::Unauthorized,
    Code::Connection,
    Code::Server,
    Code::Conflict,
    Code::Rejected,
    Code::Partial,
    Code::Unhealthy,
    Code::NoTrustData,
    Code::NotSigned,
    Code::Manifest,
    Code::Changed,
    Code::Untrusted,
    Code::Policy,
    Code::Unreachable,
];

/// The first cells of the rows of a table in docs/cli.md.
fn documented(heading: &str) -> Vec<[&'static str; 2]> {
    let text = include_str!("../../../../../docs/cli.md");
    let table = text.split(heading).nth(1).unwrap_or_default().trim_start();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).take(2).collect::<Vec<_>>();
    rows.filter_map(|row| cells(row).try_into().ok()).collect()
}

#[test]
fn every_code_is_documented_with_its_exit_and_no_other() {
    let rows: Vec<_> = documented("| Code | Exit | Means |").into_iter().map(|row| row.map(str::to_owned)).collect();
    let codes = CODES.map(|code| [format!("`{}`", code.name()), code.exit().number().to_string()]);
    assert_eq!(rows, codes);
}

#[test]
fn help_names_the_exits_that_are_documented_and_no_other() {
    let said: Vec<_> = HELP.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let rows = documented("| Code | Means |");
    assert_eq!(said, rows.iter().map(|[number, _]| *number).collect::<Vec<_>>());
    let exits = CODES.iter().map(|code| code.exit()).chain([Exit::Success, Exit::NotStarted]);
    assert!(exits.into_iter().all(|exit| said.contains(&exit.number().to_string().as_str())));
}

#[test]
fn trust_data_that_is_withheld_or_lost_is_a_refusal() {
    let role = Role::Targets;
    let skipped = Skipped { role: role.clone(), why: ChainError::TooManyRoles };
    assert_eq!(Code::of(&CliError::ReleasesSkipped(skipped)), Code::Untrusted);
    let lost = || UpdateError::RootLost { gun: Gun::parse("a.test/b").unwrap(), metadata: "metadata".into() };
    let update = |source| CliError::Update { image: "a.test/b:1".into(), source: Box::new(source) };
    assert_eq!(Code::of(&update(lost())), Code::Untrusted);
    assert_eq!(Code::of(&update(ChainError::Unlisted(role).into())), Code::Untrusted);
    let source = Box::new(PublishError::Update(lost()));
    assert_eq!(Code::of(&CliError::Sign { image: "a.test/b:1".into(), source }), Code::Untrusted);
    assert_eq!(Code::Untrusted.exit(), Exit::Refused);
}
