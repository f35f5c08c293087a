//! `bulla repo list`: the targets of a repository.

use std::collections::BTreeMap;

use bulla::trust::collection::{self, Listed};
use clap::Args;
use serde::Serialize;
use tuf_schema::json::Value;

use super::arguments::{gun, targets_role};
use crate::cmd::reading::{Cached, trusted};
use crate::cmd::table;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::printable::line;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// Roles to list, each before the next one, instead of all
    #[arg(short, long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    cached: Cached,
}

#[derive(Serialize)]
struct Targets {
    gun: String,
    targets: Vec<Target>,
}

/// A target as it is shown.
#[derive(Serialize)]
pub(super) struct Target {
    pub(super) name: String,
    role: String,
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Value>,
}

impl Show for Targets {
    fn text(&self) -> String {
        if self.targets.is_empty() {
            return "\nNo targets present in this repository.\n".to_owned();
        }
        let row = |target: &Target| {
            [line(&target.name), target.sha256().to_owned(), target.length.to_string(), target.role.clone()]
        };
        let rows = self.targets.iter().map(row);
        table::render(["NAME", "DIGEST", "SIZE (BYTES)", "ROLE"], rows).trim_end_matches('\n').to_owned()
    }
}

impl Target {
    pub(super) fn of(listed: &Listed<'_>) -> Self {
        let hash = |(name, bytes): (&str, &[u8])| (name.to_owned(), hex::encode(bytes));
        Self {
            name: listed.name.to_owned(),
            role: listed.role.to_string(),
            length: listed.target.length,
            hashes: listed.target.digests.by_name().map(hash).collect(),
            custom: listed.target.custom.clone(),
        }
    }

    /// Nothing if another kind of hash is listed only.
    pub(super) fn sha256(&self) -> &str {
        self.hashes.get("sha256").map_or("", String::as_str)
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let roles = arguments.roles.iter().map(|role| targets_role(role)).collect::<Result<Vec<_>, _>>()?;
    let trusted = trusted(&gun, gun.as_str(), Some(&arguments.cached), context).await?;
    let targets = collection::targets(&trusted, &roles).iter().map(Target::of).collect();
    context.out.show(&Targets { gun: gun.to_string(), targets })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_listed_as_notary_lists_them() {
        let target = |name: &str, length, role: &str| Target {
            name: name.into(),
            role: role.into(),
            length,
            hashes: BTreeMap::from([("sha256".into(), "ad7f".into())]),
            custom: None,
        };
        let targets = vec![target("a\u{1b}", 4096, "targets"), target("b", 1, "targets/releases")];
        let shown = Targets { gun: "g".into(), targets }.text();
        // notary list, with the control character escaped
        let expected = "NAME       DIGEST    SIZE (BYTES)    ROLE\n\
                        ----       ------    ------------    ----\n\
                        a\\u{1b}    ad7f      4096            targets\n\
                        b          ad7f      1               targets/releases";
        assert_eq!(shown, expected);
        assert_eq!(
            Targets { gun: "g".into(), targets: Vec::new() }.text(),
            "\nNo targets present in this repository.\n"
        );
    }
}
