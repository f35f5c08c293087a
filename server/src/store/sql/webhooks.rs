//! The places of webhooks in SQL.

use async_trait::async_trait;
use bulla_database::{Engine, Statement, Value};
use tuf_schema::UtcTime;

use super::read_failed;
use super::rows::{number, to_micros};
use super::statements::own_parameter;
use super::store::SqlStore;
use super::words::insert_or_leave;
use crate::store::{StoreError, WebhookPlaces};
use crate::webhooks::WebhookName;

/// What is asked about webhooks.
pub(super) struct WebhookStatements<E> {
    /// $1 name.
    begin: Statement<E>,
    /// $1 name, $2 holder, $3 until, $4 now, $5 later than any that a right clock wrote.
    take: Statement<E>,
    /// $1 name, $2 holder, $3 until.
    taken: Statement<E>,
    /// $1 name, $2 holder, $3 from, $4 to.
    advance: Statement<E>,
    /// $1 name, $2 holder.
    give_back: Statement<E>,
}

impl<E: Engine> WebhookStatements<E> {
    pub(super) fn new() -> Self {
        let (insert, leave) = insert_or_leave::<E>();
        Self {
            // The condition keeps SQLite from taking what follows for that of a join.
            begin: Statement::new(&format!(
                "{insert} bulla_webhooks (name, place) SELECT {}, coalesce(max(id), 0) FROM changefeed WHERE 1 = 1 {leave}",
                own_parameter::<E>("$1")
            )),
            take: Statement::new(
                "UPDATE bulla_webhooks SET holder = $2, until = $3 WHERE name = $1 \
                 AND (holder = $2 OR until <= $4 OR until > $5)",
            ),
            taken: Statement::new("SELECT place FROM bulla_webhooks WHERE name = $1 AND holder = $2 AND until = $3"),
            advance: Statement::new(
                "UPDATE bulla_webhooks SET place = $4 WHERE name = $1 AND holder = $2 AND place = $3",
            ),
            give_back: Statement::new("UPDATE bulla_webhooks SET until = 0 WHERE name = $1 AND holder = $2"),
        }
    }
}

#[async_trait]
impl<E: Engine> WebhookPlaces for SqlStore<E> {
    async fn begin_webhook(&self, name: &WebhookName) -> Result<(), StoreError> {
        let begun = self.database.execute(&self.statements.webhooks.begin, &[Value::Text(name.as_str())]).await;
        begun.map(|_| ()).map_err(read_failed)
    }

    async fn take_webhook(
        &self,
        name: &WebhookName,
        holder: &str,
        now: UtcTime,
        seconds: u32,
    ) -> Result<Option<i64>, StoreError> {
        let until = Value::Number(to_micros(now.plus_seconds(seconds.into())));
        let too_late = to_micros(now.plus_seconds(i64::from(seconds).saturating_mul(2)));
        let (name, holder) = (Value::Text(name.as_str()), Value::Text(holder));
        let values = [name, holder, until, Value::Number(to_micros(now)), Value::Number(too_late)];
        self.database.execute(&self.statements.webhooks.take, &values).await.map_err(read_failed)?;
        let rows = self.database.fetch(&self.statements.webhooks.taken, &[name, holder, until]).await;
        rows.map_err(read_failed)?.first().map(|row| number(row, 0)).transpose()
    }

    async fn move_webhook(&self, name: &WebhookName, holder: &str, from: i64, to: i64) -> Result<bool, StoreError> {
        let values = [Value::Text(name.as_str()), Value::Text(holder), Value::Number(from), Value::Number(to)];
        let moved = self.database.execute(&self.statements.webhooks.advance, &values).await.map_err(read_failed)?;
        Ok(moved > 0)
    }

    async fn give_back_webhook(&self, name: &WebhookName, holder: &str) -> Result<(), StoreError> {
        let values = [Value::Text(name.as_str()), Value::Text(holder)];
        let given = self.database.execute(&self.statements.webhooks.give_back, &values).await;
        given.map(|_| ()).map_err(read_failed)
    }
}
