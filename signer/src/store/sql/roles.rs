//! Roles that keys without one have taken, in a table of ours beside the reference's.

use async_trait::async_trait;
use bulla_database::{Engine, EngineName, Failure, Row, Statement, Value};
use tuf_schema::key::KeyId;
use tuf_schema::{Gun, Role, UtcTime};

use super::keys::{Attempts, SqlKeyStore};
use crate::store::StoreError;
use crate::store::roles::{KeyRoles, Roleless, Taken};

/// Everything that is asked of the table.
pub(super) struct Statements<E> {
    taken: Statement<E>,
    take: Statement<E>,
    count: Statement<E>,
    some: Statement<E>,
}

impl<E: Engine> Statements<E> {
    pub(super) fn new() -> Self {
        // ours holds bytes on MySQL, as the reference's may be of any collation
        let (id, unless_taken) = match E::ENGINE {
            EngineName::Sqlite | EngineName::Postgres => ("private_keys.key_id", "ON CONFLICT (key_id) DO NOTHING"),
            EngineName::MySql => {
                ("CAST(private_keys.key_id AS BINARY)", "ON DUPLICATE KEY UPDATE noted_at = bulla_key_roles.noted_at")
            }
        };
        let roleless = format!(
            "FROM private_keys WHERE role = '' AND deleted_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM bulla_key_roles WHERE bulla_key_roles.key_id = {id})"
        );
        Self {
            taken: Statement::new("SELECT role, gun FROM bulla_key_roles WHERE key_id = $1"),
            take: Statement::new(&format!(
                "INSERT INTO bulla_key_roles (key_id, role, gun, noted_at) VALUES ($1, $2, $3, $4) {unless_taken}"
            )),
            count: Statement::new(&format!("SELECT count(*) {roleless}")),
            some: Statement::new(&format!("SELECT key_id {roleless} LIMIT $1")),
        }
    }
}

#[async_trait]
impl<E: Engine> KeyRoles for SqlKeyStore<E> {
    async fn taken(&self, id: &KeyId) -> Result<Option<Taken>, StoreError> {
        let rows = self.database.fetch(&self.roles.taken, &[Value::Text(id.as_str())]).await?;
        rows.first().map(|row| taken(id, row)).transpose()
    }

    async fn take(&self, id: &KeyId, taking: &Taken, now: UtcTime) -> Result<Taken, StoreError> {
        let values = [
            Value::Text(id.as_str()),
            Value::Text(taking.role.as_str()),
            Value::Text(taking.gun.as_ref().map_or("", Gun::as_str)),
            Value::Number(now.unix_seconds()),
        ];
        let mut attempts = Attempts::default();
        loop {
            let done: Result<u64, Failure> = self.database.execute(&self.roles.take, &values).await;
            if !attempts.go_on(&done) {
                done?;
                break;
            }
        }
        let gone = StoreError::Damaged { key: id.clone(), fact: "the role that it took is gone" };
        self.taken(id).await?.ok_or(gone)
    }

    async fn roleless(&self, limit: u32) -> Result<Roleless, StoreError> {
        let count = self.database.fetch(&self.roles.count, &[]).await?;
        let count = count.first().and_then(|row| row.number(0).ok().flatten()).unwrap_or_default();
        let some = self.database.fetch(&self.roles.some, &[Value::Number(limit.into())]).await?;
        let id = |row: &Row| row.text(0).ok().flatten().map(KeyId::from_wire);
        Ok(Roleless { count: u64::try_from(count).unwrap_or_default(), some: some.iter().filter_map(id).collect() })
    }
}

fn taken(id: &KeyId, row: &Row) -> Result<Taken, StoreError> {
    let damaged = || StoreError::Damaged { key: id.clone(), fact: "the role that it took is none" };
    let text = |place| row.text(place).ok().flatten().ok_or_else(damaged);
    let gun = match text(1)? {
        "" => None,
        gun => Some(Gun::parse(gun).map_err(|_| damaged())?),
    };
    Ok(Taken { role: Role::parse(text(0)?).map_err(|_| damaged())?, gun })
}
