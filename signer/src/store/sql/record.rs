//! From a row to a key. A row may come from a database that was filled elsewhere: nothing in it is taken for granted.

use bulla_database::{Engine, EngineName, Row};
use tuf_schema::key::{KeyId, KeyType, PublicKey};
use tuf_schema::{Gun, Role, UtcTime};

use crate::seal::passphrase::Alias;
use crate::seal::{CONTENT_ENCRYPTION, KeyWrap, SealedKey};
use crate::store::{KeyRecord, Purpose, StoreError};

const MICROS: i64 = 1_000_000;

/// The key of a row with the columns of `statements`.
pub(super) fn record<E: Engine>(mut row: Row) -> Result<KeyRecord, StoreError> {
    let id = row.text(0).ok().flatten().unwrap_or_default().to_owned();
    let damaged = |fact| StoreError::Damaged { key: KeyId::from_wire(&id), fact };
    let text = |place, column| row.text(place).ok().flatten().ok_or_else(|| damaged(column));

    let is_encrypted_so = text(1, "encryption_alg")? == CONTENT_ENCRYPTION;
    let key_wrap = KeyWrap::parse(text(2, "keywrap_alg")?).filter(|_| is_encrypted_so);
    let key_wrap = key_wrap.ok_or_else(|| damaged("it is sealed by another method"))?;
    let key_type = KeyType::parse(text(3, "algorithm")?);
    let alias = Alias::parse(text(4, "passphrase_alias")?).ok_or_else(|| damaged("its alias is none"))?;
    let (gun, role) = (text(7, "gun")?, text(8, "role")?);
    let purpose = Purpose {
        gun: optional(gun, |gun| Gun::parse(gun).ok()).ok_or_else(|| damaged("its gun is none"))?,
        role: optional(role, |role| Role::parse(role).ok()).ok_or_else(|| damaged("its role is none"))?,
    };
    let last_used = last_used::<E>(&row).ok_or_else(|| damaged("last_used"))?;
    let retired = seconds(row.number(10).ok()).ok_or_else(|| damaged("retired_at"))?;
    let public = row.take_bytes(5).ok().flatten().ok_or_else(|| damaged("public"))?;
    let private = row.take_bytes(6).ok().flatten().ok_or_else(|| damaged("private"))?;
    let key = PublicKey::new(key_type, public);
    if key.id().as_str() != id {
        return Err(damaged("its public key is another key's"));
    }
    let sealed = SealedKey::from_row(key_wrap, String::from_utf8(private).map_err(|_| damaged("private"))?);
    Ok(KeyRecord { key, purpose, alias, sealed, last_used, retired })
}

/// The keys of sound rows; damaged ones are passed over.
pub(super) fn sound<E: Engine>(rows: Vec<Row>) -> Result<Vec<KeyRecord>, StoreError> {
    let is_sound = |read: &Result<_, StoreError>| !matches!(read, Err(StoreError::Damaged { .. }));
    rows.into_iter().map(record::<E>).filter(is_sound).collect()
}

/// `Some(None)` for a key that was never used. Whole seconds, the least that every engine keeps.
fn last_used<E: Engine>(row: &Row) -> Option<Option<UtcTime>> {
    let at = match E::ENGINE {
        EngineName::Sqlite => row.number(9).ok()?,
        EngineName::Postgres | EngineName::MySql => row.time(9).ok()?.map(|micros| micros.div_euclid(MICROS)),
    };
    seconds(Some(at))
}

/// `Some(None)` for a column that holds nothing, `None` for one that holds no time.
fn seconds(column: Option<Option<i64>>) -> Option<Option<UtcTime>> {
    column?.map_or(Some(None), |seconds| UtcTime::from_unix_seconds(seconds).map(Some))
}

/// `Some(None)` for an empty text, `None` for one that does not parse.
fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}
