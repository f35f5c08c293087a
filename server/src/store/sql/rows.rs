//! Rows as what they mean.

use bulla_database::{Row, WrongColumn};
use bytes::Bytes;
use tuf_schema::{Gun, Sha256, UtcTime, Version};

use crate::store::{Change, ChangeCategory, Edition, FileKey, FileRow, StoreError, Stored};

/// Microseconds since 1970, as time columns hold them.
pub(super) fn to_micros(time: UtcTime) -> i64 {
    time.to_utc().timestamp_micros()
}

pub(super) fn to_version(number: i64) -> Result<Version, StoreError> {
    Version::new(number).map_err(|error| StoreError::Corrupt { what: error.to_string() })
}

pub(super) fn to_sha256(text: &str) -> Result<Sha256, StoreError> {
    Sha256::from_hex(text).ok_or_else(|| StoreError::Corrupt { what: format!("sha256 {text:?}") })
}

/// A floor's column; 0 stands for none.
pub(super) fn to_floor(number: i64) -> Result<Option<Version>, StoreError> {
    if number == 0 { Ok(None) } else { to_version(number).map(Some) }
}

/// The columns version, sha256, data, created_at from `first` on.
pub(super) fn to_stored(row: &mut Row, first: usize) -> Result<Stored, StoreError> {
    let bytes = row.take_bytes(first.saturating_add(2)).map_err(wrong)?.unwrap_or_default();
    let Edition { version, sha256 } = edition_of(row, first, &bytes)?;
    Ok(Stored {
        version,
        sha256,
        bytes: Bytes::from(bytes),
        created_at: from_micros(row.time(first.saturating_add(3)).map_err(wrong)?.unwrap_or_default())?,
    })
}

/// The columns version, sha256, and data where sha256 is empty, from `first` on.
pub(super) fn to_edition(row: &mut Row, first: usize) -> Result<Edition, StoreError> {
    let bytes = row.take_bytes(first.saturating_add(2)).map_err(wrong)?.unwrap_or_default();
    edition_of(row, first, &bytes)
}

fn edition_of(row: &Row, first: usize, bytes: &[u8]) -> Result<Edition, StoreError> {
    let sha256 = match row.trimmed(first.saturating_add(1)).map_err(wrong)? {
        // The reference's column may be empty: its early versions did not fill it.
        None | Some("") => Sha256::of(bytes),
        Some(text) => to_sha256(text)?,
    };
    Ok(Edition { version: to_version(number(row, first)?)?, sha256 })
}

/// The columns id, created_at, gun, version, sha256, category.
pub(super) fn to_change(row: &Row) -> Result<Change, StoreError> {
    let version = number(row, 3)?;
    let category = text(row, 5)?;
    Ok(Change {
        id: number(row, 0)?,
        created_at: from_micros(row.time(1).map_err(wrong)?.unwrap_or_default())?,
        gun: text(row, 2)?.to_owned(),
        version: u32::try_from(version).map_err(|_| StoreError::Corrupt { what: format!("version {version}") })?,
        sha256: row.trimmed(4).map_err(wrong)?.unwrap_or_default().to_owned(),
        category: [ChangeCategory::Update, ChangeCategory::Deletion]
            .into_iter()
            .find(|known| known.as_str() == category)
            .ok_or_else(|| StoreError::Corrupt { what: format!("change category {category:?}") })?,
    })
}

/// The columns id, role, version, sha256, data, created_at.
pub(super) fn to_file_row(row: &mut Row) -> Result<FileRow, StoreError> {
    Ok(FileRow {
        bytes: Bytes::from(row.take_bytes(4).map_err(wrong)?.unwrap_or_default()),
        id: number(row, 0)?,
        role: text(row, 1)?.to_owned(),
        version: number(row, 2)?,
        sha256: row.trimmed(3).map_err(wrong)?.unwrap_or_default().to_owned(),
        created_at: row.time(5).map_err(wrong)?.map(from_micros).transpose()?,
    })
}

/// The columns id, role, version, created_at.
pub(super) fn to_file_key(row: &Row) -> Result<FileKey, StoreError> {
    Ok(FileKey {
        id: number(row, 0)?,
        role: text(row, 1)?.to_owned(),
        version: row.number(2).ok().flatten(),
        created_at: row.time(3).ok().flatten().and_then(|micros| from_micros(micros).ok()),
    })
}

/// The GUN in the first column. The reference may have stored what is none of ours: it is told of and left out.
pub(super) fn to_gun(row: &Row) -> Result<Option<Gun>, StoreError> {
    let name = text(row, 0)?;
    match Gun::parse(name) {
        Ok(gun) => Ok(Some(gun)),
        Err(error) => {
            tracing::warn!(name, %error, "the database has a repository under a name that is no GUN");
            Ok(None)
        }
    }
}

/// Whether there may be more behind `rows`.
pub(super) fn is_full(rows: &[Row], limit: u32) -> bool {
    u32::try_from(rows.len()).is_ok_and(|count| count >= limit)
}

pub(super) fn text(row: &Row, place: usize) -> Result<&str, StoreError> {
    Ok(row.text(place).map_err(wrong)?.unwrap_or_default())
}

pub(super) fn number(row: &Row, place: usize) -> Result<i64, StoreError> {
    Ok(row.number(place).map_err(wrong)?.unwrap_or_default())
}

pub(super) fn from_micros(micros: i64) -> Result<UtcTime, StoreError> {
    let time = chrono::DateTime::from_timestamp_micros(micros);
    time.map(UtcTime::from_utc).ok_or_else(|| StoreError::Corrupt { what: format!("time {micros}") })
}

pub(super) fn wrong(error: WrongColumn) -> StoreError {
    StoreError::Corrupt { what: error.to_string() }
}
