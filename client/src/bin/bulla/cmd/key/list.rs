//! `bulla key list`: which private keys are here.

use bulla::keys::{KeyRole, StoredKey};
use serde::Serialize;

use super::Row;
use crate::cmd::table;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

/// notary's widths of columns.
const MAX_GUN: usize = 25;
const MAX_LOCATION: usize = 40;

/// The keys, in notary's order.
#[derive(Serialize)]
struct Listed {
    directory: String,
    keys: Vec<Row>,
}

impl Show for Listed {
    /// notary's table, with its empty lines.
    fn text(&self) -> String {
        if self.keys.is_empty() {
            return "\nNo signing keys found.\n".to_owned();
        }
        let location = cut(&self.directory, MAX_LOCATION);
        let rows = self.keys.iter().map(|key| {
            let gun = cut(key.gun.as_deref().unwrap_or_default(), MAX_GUN);
            let location = match &key.token {
                Some(token) => cut(&format!("token {}", token.label), MAX_LOCATION),
                None => location.clone(),
            };
            [key.role.clone(), gun, key.id.clone(), location]
        });
        format!("\n{}", table::render(["ROLE", "GUN", "KEY ID", "LOCATION"], rows))
    }
}

pub(super) fn run(context: &Context) -> Result<Exit, CliError> {
    let keys = context.keyring()?;
    let mut stored = keys.list().map_err(super::KeyError::from)?;
    stored.sort_by_cached_key(order);
    let directory = super::directory(context).display().to_string();
    context.out.show(&Listed { directory, keys: stored.iter().map(Row::of).collect() })?;
    Ok(Exit::Success)
}

/// Root keys first, then by repository, role and id.
fn order(key: &StoredKey) -> (bool, Option<String>, String, String) {
    let gun = key.gun.as_ref().map(ToString::to_string);
    (key.role != KeyRole::Root, gun, key.role.to_string(), key.id.to_string())
}

/// The end of a text that is too wide for its column.
fn cut(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let kept = text.chars().skip(count.saturating_sub(width.saturating_sub(3)));
    format!("...{}", kept.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wider_than_its_column_is_cut_at_its_beginning() {
        assert_eq!(cut("example.com/fix/badcustom", MAX_GUN), "example.com/fix/badcustom");
        assert_eq!(cut("example.com/fix/all-rotated", MAX_GUN), "...le.com/fix/all-rotated");
    }
}
