//! `admin show`: what is stored of one repository, role by role, and who may sign each.

use std::io::Write;
use std::sync::Arc;

use tuf_schema::Gun;

use super::error::AdminError;
use super::open;
use super::roles::Roles;
use super::verify::Verdict;
use crate::clock::Clock;
use crate::config::Config;

/// Prints every role of a repository, from its newest stored file: nothing is verified. A file that cannot be read is
/// named with why, and the others are told. Changes nothing.
///
/// # Errors
/// [`AdminError`] when nothing is stored of `gun`, when the database cannot be read or the output not be written.
pub async fn show(
    config: &Config,
    gun: &Gun,
    json: bool,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let store = open::existing(&config.storage, &clock).await?;
    let found = Roles::of(&*store, gun).await?;
    let mut roles = found.ok_or_else(|| AdminError::NoRepository(gun.clone()))?;
    let mut verdict = Verdict::Whole;
    let now = clock.now();
    while let Some(role) = roles.next(&*store, gun).await? {
        if json {
            role.write_json(now, output)?
        } else {
            role.write_text(now, output)?
        }
        if !role.troubles.is_empty() {
            verdict = Verdict::Findings;
        }
    }
    output.flush()?;
    Ok(verdict)
}
