//! The statements on the reference's table, written once for every engine.
//!
//! The table has no index but those on key_id, and none is asked of it. Nothing with a condition
//! is ordered: with an order and a limit MySQL walks the index on key_id and fetches row after row, half a minute for
//! 200,000 keys, in place of half a second.

use bulla_database::{Engine, EngineName, Statement};

const COLUMNS: &str =
    "key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, last_used";

/// Everything that is asked of the table.
pub(super) struct Statements<E> {
    pub(super) find: Statement<E>,
    pub(super) pending: Statement<E>,
    pub(super) sealed_under: Statement<E>,
    pub(super) newest: Statement<E>,
    pub(super) is_taken: Statement<E>,
    pub(super) insert: Statement<E>,
    /// Before [`Statements::mark_used`]: does nothing for a key that has signed.
    pub(super) note_first_use: Statement<E>,
    pub(super) mark_used: Statement<E>,
    pub(super) delete: Statement<E>,
    pub(super) probe: Statement<E>,
    /// Takes a lane until the transaction ends, where a transaction alone does not keep other writers out.
    pub(super) take_lane: Option<Statement<E>>,
}

impl<E: Engine> Statements<E> {
    pub(super) fn new() -> Self {
        let statement = |text: String| Statement::new(&text);
        let (id, gun, role, alias) = (
            exactly::<E>("key_id", "$1"),
            exactly::<E>("gun", "$1"),
            exactly::<E>("role", "$2"),
            exactly::<E>("passphrase_alias", "$1"),
        );
        let read = read_columns::<E>();
        let retired = of_life::<E>("retired_at");
        let (of_key, once) = match E::ENGINE {
            EngineName::Sqlite => {
                ("key_id", "ON CONFLICT (key_id) DO UPDATE SET first_used = coalesce(first_used, excluded.first_used)")
            }
            EngineName::Postgres => (
                "key_id",
                "ON CONFLICT (key_id) DO UPDATE SET first_used = coalesce(bulla_key_life.first_used, excluded.first_used)",
            ),
            EngineName::MySql => (
                "CAST(key_id AS BINARY)",
                "ON DUPLICATE KEY UPDATE first_used = coalesce(first_used, VALUES(first_used))",
            ),
        };
        let marked = exactly::<E>("key_id", "$2");
        let lane = "INSERT INTO bulla_key_lanes (lane, turn) VALUES ($1, 1) ";
        Self {
            find: statement(format!("SELECT {read} FROM private_keys WHERE {id} AND deleted_at IS NULL")),
            pending: statement(format!(
                "SELECT {read} FROM private_keys WHERE {gun} AND {role} AND algorithm = $3 \
                 AND last_used IS NULL AND deleted_at IS NULL AND {retired} IS NULL"
            )),
            sealed_under: statement(format!(
                "SELECT {read} FROM private_keys WHERE {alias} AND deleted_at IS NULL LIMIT $2"
            )),
            // by the primary key: the reference's and ours number rows as they are stored
            newest: Statement::new("SELECT key_id FROM private_keys ORDER BY id DESC LIMIT $1"),
            // as the unique index compares, and deleted ones too
            is_taken: Statement::new("SELECT id FROM private_keys WHERE key_id = $1"),
            insert: statement(format!(
                "INSERT INTO private_keys (created_at, updated_at, {COLUMNS}) \
                 VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            )),
            note_first_use: statement(format!(
                "INSERT INTO bulla_key_life (key_id, first_used) SELECT {of_key}, $2 FROM private_keys \
                 WHERE {id} AND last_used IS NULL AND deleted_at IS NULL {once}"
            )),
            mark_used: statement(format!(
                "UPDATE private_keys SET last_used = $1, updated_at = $1 WHERE {marked} AND deleted_at IS NULL \
                 AND (last_used IS NULL OR last_used < $1)"
            )),
            delete: statement(format!(
                "UPDATE private_keys SET deleted_at = $2, updated_at = $2 WHERE {id} AND deleted_at IS NULL"
            )),
            // of the table, as a node of a cluster that has lost the others still answers what needs none
            probe: Statement::new("SELECT count(*) FROM private_keys WHERE id = 0"),
            take_lane: match E::ENGINE {
                EngineName::Sqlite => None,
                EngineName::Postgres => {
                    Some(statement(format!("{lane} ON CONFLICT (lane) DO UPDATE SET turn = bulla_key_lanes.turn + 1")))
                }
                EngineName::MySql => Some(statement(format!("{lane} ON DUPLICATE KEY UPDATE turn = turn + 1"))),
            },
        }
    }
}

/// What a key is read from.
pub(super) fn read_columns<E: Engine>() -> String {
    format!("{COLUMNS}, {}", of_life::<E>("retired_at"))
}

/// A column of our table beside the reference's, for the row of the reference's that is looked at.
pub(super) fn of_life<E: Engine>(column: &str) -> String {
    // ours holds bytes on MySQL, as the reference's may be of any collation
    let id = match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => "private_keys.key_id",
        EngineName::MySql => "CAST(private_keys.key_id AS BINARY)",
    };
    format!("(SELECT {column} FROM bulla_key_life WHERE bulla_key_life.key_id = {id})")
}

/// A comparison byte for byte. The reference's tables on MySQL have a collation that knows neither case nor trailing
/// blanks: it serves to use the index, and the bytes decide.
pub(super) fn exactly<E: Engine>(column: &str, value: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => format!("{column} = {value}"),
        EngineName::MySql => format!("{column} = {value} AND CAST({column} AS BINARY) = CAST({value} AS BINARY)"),
    }
}
