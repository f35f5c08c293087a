//! An update whose repository is as it was read, written in one go and in one way to the database.
//!
//! The row of the repository counts how often it was written to. While the count is the one that was read with the newest
//! files, everything that the update was judged by stands, and nothing is read again. The count is raised by the
//! statement that compares it: it waits for whoever holds the row and looks at what he left there. Those who write
//! without counting, as the reference does, leave another timestamp, at which the statement looks, too.

use bulla_database::{Engine, EngineName, Statement, Value};
use tuf_schema::UtcTime;

use super::rows::to_micros;
use super::words::greater;
use super::write::{chunks, used_at};
use crate::publish::{NewFile, Origin, ValidatedUpdate};
use crate::store::ChangeCategory;

/// An update that can be written so.
pub(super) struct AtOnce<'a> {
    update: &'a ValidatedUpdate,
    /// With their digests.
    files: Vec<(&'a NewFile, String)>,
    base: String,
    writes: i64,
    now: UtcTime,
}

impl<'a> AtOnce<'a> {
    /// `None` when the update is to be written step by step: it is a repository's first one, one too large for one
    /// statement, or the engine cannot.
    pub(super) fn of<E: Engine>(update: &'a ValidatedUpdate, now: UtcTime) -> Option<Self> {
        if E::ENGINE == EngineName::MySql {
            return None;
        }
        let (base, writes) = (update.base()?.to_hex(), update.writes()?);
        let files: Vec<&NewFile> = update.files().collect();
        if chunks(&files).len() > 1 {
            return None;
        }
        let files = files.into_iter().map(|file| (file, file.sha256().to_hex())).collect();
        Some(Self { update, files, base, writes, now })
    }

    /// Writes every file and the change record and says how many rows, or none, if the repository is not as it was read.
    pub(super) fn statement<E: Engine>(&self) -> Statement<E> {
        Statement::new(&text::<E>(self.files.len(), self.update.origin() == Origin::Renewal))
    }

    /// Its parameters.
    pub(super) fn values(&self) -> Vec<Value<'_>> {
        let mut values = vec![Value::Time(to_micros(self.now)), Value::Text(self.update.gun().as_str())];
        values.extend([
            Value::Number(used_at(self.update, self.now)),
            Value::Number(self.writes),
            Value::Text(&self.base),
            Value::Text(ChangeCategory::Update.as_str()),
        ]);
        for (file, sha256) in &self.files {
            let number = file.version().number().into();
            let name = file.role().as_str();
            values.extend([Value::Text(name), Value::Number(number), Value::Text(sha256), Value::Bytes(file.bytes())]);
        }
        values
    }
}

/// $1 time, $2 GUN, $3 the use, $4 the count, $5 the newest timestamp's digest, $6 category, then role, version, digest and
/// bytes of each file, the timestamp last.
fn text<E: Engine>(files: usize, is_renewal: bool) -> String {
    let first = |file: usize| 7 + 4 * file;
    let row = |at: usize| format!("(${}, ${}, ${}, ${})", at, at + 1, at + 2, at + 3);
    let rows: Vec<String> = (0..files).map(|file| row(first(file))).collect();
    let rows = rows.join(", ");
    let timestamp = first(files.saturating_sub(1));
    let (version, sha256) = (timestamp + 1, timestamp + 2);
    let take = format!(
        "UPDATE bulla_repositories SET used_at = {}, writes = writes + 1 WHERE gun = $2 AND writes = $4 \
         AND (SELECT sha256 FROM tuf_files WHERE gun = $2 AND role = 'timestamp' AND deleted_at IS NULL \
         ORDER BY version DESC LIMIT 1) = $5",
        greater::<E>("used_at", "$3")
    );
    let files = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) SELECT $1, $1, $2";
    let change = format!(
        "INSERT INTO changefeed (created_at, gun, version, sha256, category) SELECT $1, $2, ${version}, ${sha256}, $6"
    );
    let renewal = format!("INSERT INTO bulla_renewals (gun, version) SELECT $2, ${version}");
    match E::ENGINE {
        EngineName::Postgres => {
            let renewal = if is_renewal {
                format!(", renewal AS ({renewal} FROM taken ON CONFLICT DO NOTHING)")
            } else {
                String::new()
            };
            format!(
                "WITH taken AS ({take}::bpchar RETURNING 1), files AS ({files}, file.* FROM taken, \
                 (VALUES {rows}) AS file (role, version, sha256, data)){renewal} {change} FROM taken"
            )
        }
        EngineName::Sqlite | EngineName::MySql => {
            // Each looks whether the one before it wrote; the last one may have nothing to write.
            let renewal = if is_renewal {
                format!("; {renewal} WHERE changes() > 0 ON CONFLICT DO NOTHING")
            } else {
                String::new()
            };
            format!(
                "{take}; {files}, file.column1, file.column2, file.column3, file.column4 FROM (VALUES {rows}) AS file \
                 WHERE changes() > 0; {change} WHERE changes() > 0{renewal}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use bulla_database::{MySql, Postgres, Sqlite};
    use tuf_schema::{Gun, Role, Sha256, Version};

    use super::*;

    fn update(others: usize, bytes: usize) -> ValidatedUpdate {
        let file = |role: &str, bytes: usize| {
            NewFile::new(Role::parse(role).unwrap(), Version::FIRST, vec![b' '; bytes].into())
        };
        let others = (0..others).map(|number| file(&format!("targets/{number}"), bytes)).collect();
        let base = Some(Sha256::of(b"timestamp"));
        let update = ValidatedUpdate::for_store_tests(&Gun::parse("g").unwrap(), base, file("timestamp", 1), others);
        update.after_writes(Some(1))
    }

    #[test]
    fn an_update_of_what_was_read_is_written_at_once_by_engines_that_can() {
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        assert!(AtOnce::of::<Sqlite>(&update(2, 10), now).is_some());
        assert!(AtOnce::of::<Postgres>(&update(2, 10), now).is_some());
        assert!(AtOnce::of::<MySql>(&update(2, 10), now).is_none());
        let unknown = update(2, 10).after_writes(None);
        assert!(AtOnce::of::<Sqlite>(&unknown, now).is_none());
    }

    #[test]
    fn sixty_four_files_and_four_mebibytes_are_written_at_once_and_more_are_not() {
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        for (others, bytes, is_small) in [(63, 1, true), (64, 1, false), (1, (4 << 20) - 1, true), (1, 4 << 20, false)]
        {
            assert_eq!(AtOnce::of::<Postgres>(&update(others, bytes), now).is_some(), is_small, "{others} {bytes}");
        }
    }
}
