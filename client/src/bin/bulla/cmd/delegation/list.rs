//! `bulla delegation list`: who may sign what, besides the owners of a repository.

use bulla::trust::collection::{self, Delegation};
use clap::Args;
use serde::Serialize;

use super::path_in_words;
use crate::cmd::reading::{Cached, trusted};
use crate::cmd::repo::arguments::gun;
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
    #[command(flatten)]
    cached: Cached,
}

#[derive(Serialize)]
struct Delegations {
    gun: String,
    delegations: Vec<Given>,
}

#[derive(Serialize)]
struct Given {
    role: String,
    paths: Vec<String>,
    keys: Vec<String>,
    threshold: u32,
}

impl Show for Delegations {
    fn text(&self) -> String {
        if self.delegations.is_empty() {
            return "\n\nNo delegations present in this repository.\n\n".to_owned();
        }
        let rows = self.delegations.iter().flat_map(Given::rows);
        format!("\n{}", table::render(["ROLE", "PATHS", "KEY IDS", "THRESHOLD"], rows))
    }
}

impl Given {
    fn of(delegation: &Delegation) -> Self {
        let mut paths = delegation.paths.clone();
        paths.sort();
        Self {
            role: delegation.name.to_string(),
            paths,
            keys: delegation.keys.iter().map(ToString::to_string).collect(),
            threshold: delegation.threshold.get(),
        }
    }

    /// As many rows as it has paths or keys; what there is one of stands in the first.
    fn rows(&self) -> Vec<[String; 4]> {
        let count = self.paths.len().max(self.keys.len()).max(1);
        let row = |at: usize| {
            let path = self.paths.get(at).map_or_else(String::new, |path| path_in_words(path));
            let key = self.keys.get(at).map_or_else(String::new, |id| line(id));
            let first = |text: String| if at == 0 { text } else { String::new() };
            [first(self.role.clone()), path, key, first(self.threshold.to_string())]
        };
        (0..count).map(row).collect()
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.gun)?;
    let trusted = trusted(&gun, gun.as_str(), Some(&arguments.cached), context).await?;
    let delegations = collection::delegations(&trusted).iter().map(Given::of).collect();
    context.out.show(&Delegations { gun: gun.to_string(), delegations })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delegations_are_listed_as_notary_lists_them() {
        let given = |role: &str, paths: &[&str], keys: &[&str]| Given {
            role: role.into(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            threshold: 1,
        };
        let delegations = vec![
            given("targets/alice", &["alice/", "shared/"], &["f992"]),
            given("targets/none", &[], &[]),
            given("targets/releases", &[""], &["f992", "412f"]),
        ];
        // cli-transcript.txt, with shorter ids
        let expected = "
ROLE                PATHS             KEY IDS    THRESHOLD
----                -----             -------    ---------
targets/alice       alice/            f992       1
                    shared/                      \n\
targets/none                                     1
targets/releases    \"\" <all paths>    f992       1
                                      412f       \n";
        assert_eq!(Delegations { gun: "g".into(), delegations }.text(), expected);
    }
}
