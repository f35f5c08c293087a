//! From a row to a key. A row may come from a database that was filled elsewhere: nothing in it is taken for granted.

use bulla_database::{Engine, EngineName, Row};
use tuf_schema::key::{KeyId, KeyType, PublicKey};
use tuf_schema::{Gun, Role, UtcTime};

use crate::seal::passphrase::Alias;
use crate::seal::{KeyWrap, SealedKey};
use crate::store::{KeyKind, KeyRecord, Purpose, StoreError};

const MICROS: i64 = 1_000_000;

/// The key of a row with the columns of `statements`.
pub(super) fn record<E: Engine>(mut row: Row) -> Result<KeyRecord, StoreError> {
    let id = row.text(0).ok().flatten().unwrap_or_default().to_owned();
    let damaged = |fact| StoreError::Damaged { key: KeyId::from_wire(&id), fact };
    let text = |place, column| row.text(place).ok().flatten().ok_or_else(|| damaged(column));

    let key_wrap = KeyWrap::parse(text(2, "keywrap_alg")?).ok_or_else(|| damaged("it is sealed by another method"))?;
    let encryption = text(1, "encryption_alg")?.to_owned();
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
    if sealed.encryption() != encryption {
        return Err(damaged("it is sealed by another method"));
    }
    Ok(KeyRecord { key, purpose, alias, sealed, last_used, retired })
}

/// The unused key with the lowest id that is of a kind, among rows of unused keys of its purpose and algorithm. A
/// damaged row that may be of the kind counts: no key is made in its place.
pub(super) fn waiting<E: Engine>(mut rows: Vec<Row>, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError> {
    let (is_held, token) = match kind {
        KeyKind::Software(_) => (false, None),
        KeyKind::OnToken { token, .. } => (true, Some(token.as_str())),
    };
    let may_be_of_kind = |row: &Row| {
        let (method, alias) = (row.text(2).ok().flatten(), row.text(4).ok().flatten());
        (method == Some(KeyWrap::Held.name())) == is_held && (token.is_none() || alias == token)
    };
    rows.retain(may_be_of_kind);
    rows.sort_by(|one, other| one.text(0).ok().cmp(&other.text(0).ok()));
    let is_it = |read: &Result<KeyRecord, StoreError>| match read {
        Ok(record) => record.kind().as_ref() == Some(kind),
        Err(_) => true,
    };
    rows.into_iter().map(record::<E>).find(is_it).transpose()
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
