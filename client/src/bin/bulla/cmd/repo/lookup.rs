//! `bulla repo lookup`: the hash and the length of a target.

use bulla::trust::collection;
use clap::Args;
use serde::Serialize;
use tuf_schema::{Gun, model};

use super::arguments::{Named, gun, targets_role};
use super::list::Target;
use crate::cmd::reading::{Cached, trusted};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;
use crate::printable::line;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    place: Place,
}

/// Where a target is searched for.
#[derive(Args)]
pub(super) struct Place {
    /// Roles to search, each before the next one, instead of all
    #[arg(short, long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    cached: Cached,
}

#[derive(Serialize)]
struct Found {
    gun: String,
    #[serde(flatten)]
    target: Target,
}

impl Show for Found {
    fn text(&self) -> String {
        format!("{} sha256:{} {}", line(&self.target.name), self.target.sha256(), self.target.length)
    }
}

impl Place {
    /// The trust in `gun`, and what `name` stands for in it, if anything.
    pub(super) async fn search(
        &self,
        gun: &Gun,
        name: &str,
        context: &Context,
    ) -> Result<Option<(model::Target, Target)>, CliError> {
        let roles = self.roles.iter().map(|role| targets_role(role)).collect::<Result<Vec<_>, _>>()?;
        let trusted = trusted(gun, gun.as_str(), Some(&self.cached), context).await?;
        let found = collection::target(&trusted, name, &roles);
        let found = found.map_err(|skipped| CliError::ReleasesSkipped(skipped.clone()))?;
        Ok(found.map(|listed| (listed.target.clone(), Target::of(&listed))))
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.named.gun)?;
    let found = arguments.place.search(&gun, &arguments.named.target, context).await?;
    let (_, target) = found.ok_or_else(|| CliError::NotSigned(arguments.named.target.clone()))?;
    context.out.show(&Found { gun: gun.to_string(), target })?;
    Ok(Exit::Success)
}
