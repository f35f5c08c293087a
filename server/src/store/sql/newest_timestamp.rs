//! The newest timestamp of a repository: what every read by name asks first.

use bulla_database::{Engine, Row, Value};
use tuf_schema::Gun;

use super::rows::to_stored;
use super::statements::FILE;
use super::together::Question;
use super::words::is;
use crate::store::{StoreError, Stored};

/// Which timestamp of this GUN is the newest?
#[derive(PartialEq)]
pub(super) struct NewestTimestamp(pub(super) Gun);

impl Question for NewestTimestamp {
    type Answer = Stored;

    const PARAMETERS: usize = 1;

    fn statement<E: Engine>(number: usize, first: usize) -> String {
        format!(
            "SELECT {number} AS number, {FILE} FROM tuf_files WHERE {} AND role = 'timestamp' AND deleted_at IS NULL \
             ORDER BY version DESC LIMIT 1",
            is::<E>("gun", first)
        )
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        std::iter::once(Value::Text(self.0.as_str()))
    }

    fn answer(mut row: Row) -> Result<Stored, StoreError> {
        to_stored(&mut row, 1)
    }
}
