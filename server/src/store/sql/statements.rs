//! The statements, for every engine. Columns are listed, never `*`; rows marked deleted are not there.

use std::sync::Arc;

use bulla_database::{Engine, EngineName, Statement};

use super::words::{
    NEWEST_OF_A_DIGEST, Names, all_of, bytewise, greater, insert_or_leave, is, is_sha256, or_update, same_gun,
    same_own_gun,
};
use super::{old_files, overview, webhooks};

/// The most roles that one statement asks for.
pub(super) const MAX_ROLES: usize = 64;

/// The columns of a file, in the order in which `rows` reads them.
pub(super) const FILE: &str = "version, sha256, data, created_at";

/// Which file it is, in the order of [`FILE`]: the bytes only of a row without a digest, as the reference's early versions
/// left it. The rest of a long file the engine need not even read.
pub(super) const EDITION: &str = "version, sha256, CASE WHEN sha256 IS NULL OR sha256 = '' THEN data END AS data";

/// Statements that do not depend on how many there are of something.
pub(super) struct Statements<E> {
    pub(super) names: Names,
    /// $1 GUN, $2 role.
    pub(super) latest: Statement<E>,
    /// $1 GUN, $2 GUN for our tables. A row for each base role that is there: what it is, then the columns of a file, of
    /// targets mostly without bytes; and one
    /// for the repository: the floor of the snapshot in place of the version, behind the others that of the timestamp and
    /// how often it was written to.
    pub(super) newest: Statement<E>,
    /// $1 GUN, $2 role, $3 version.
    pub(super) by_version: Statement<E>,
    /// $1 GUN, $2 role, $3 digest.
    pub(super) by_sha256: Statement<E>,
    /// $1 GUN, $2 ... roles; for 1, 2, 4 ... [`MAX_ROLES`] of them. The role, and the columns of an edition.
    newest_of: Vec<(usize, Arc<Statement<E>>)>,
    /// $1 GUN for our tables, $2 now, $3 the use. Writes the repository's row, and holds it until the transaction ends.
    pub(super) take_repository: Statement<E>,
    /// $1 GUN.
    pub(super) writes: Statement<E>,
    /// $1 GUN. Another GUN that the collation calls equal.
    pub(super) equal_name: Statement<E>,
    /// $1 time, $2 GUN, $3 version, $4 digest, $5 category.
    pub(super) insert_change: Statement<E>,
    /// $1 GUN for our tables, $2 version.
    pub(super) insert_renewal: Statement<E>,
    /// $1 GUN, $2 GUN for our tables.
    pub(super) raise_floors: Statement<E>,
    /// $1 GUN.
    pub(super) delete_files: Statement<E>,
    /// $1 GUN for our tables.
    pub(super) delete_renewals: Statement<E>,
    /// $1 id, $2 limit; $3 GUN.
    pub(super) forward: Statement<E>,
    pub(super) forward_of_gun: Statement<E>,
    pub(super) backward: Statement<E>,
    pub(super) backward_of_gun: Statement<E>,
    /// $1 after this id, $2 how many. The highest id of as many files, if there is one.
    pub(super) adopt_up_to: Statement<E>,
    /// $1 now, $2 after this id, $3 up to this one. A row for the repositories of these files that have none.
    pub(super) adopt: Statement<E>,
    /// $1 after this name, $2 how many are looked at, $3 used since, $4 stored before. Each name, and whether it is one.
    pub(super) aging: Statement<E>,
    /// $1 GUN for our tables, $2 time, $3 GUN.
    pub(super) note_use: Statement<E>,
    /// $1 name, $2 holder, $3 until, $4 now.
    /// $5 later than any that a right clock wrote.
    pub(super) prolong_lease: Statement<E>,
    /// $1 name, $2 holder.
    pub(super) return_lease: Statement<E>,
    pub(super) new_lease: Statement<E>,
    /// $1 after this GUN, $2 and this version, $3 how many are looked at, $4 time. Each GUN and version, and whether it is
    /// one.
    pub(super) superseded: Statement<E>,
    /// $1 GUN, $2 version.
    pub(super) drop_timestamp: Statement<E>,
    /// $1 GUN for our tables, $2 version.
    pub(super) drop_renewal: Statement<E>,
    /// $1 after this name, $2 how many are looked at. Each name, and whether files of it are there.
    pub(super) guns: Statement<E>,
    /// $1 GUN, $2 after this id, $3 limit.
    pub(super) files: Statement<E>,
    /// The same without bytes: id, role and version.
    pub(super) file_keys: Statement<E>,
    /// See there.
    pub(super) overview: Statement<E>,
    pub(super) overview_of: Statement<E>,
    pub(super) old_files: Statement<E>,
    pub(super) remove_files: Statement<E>,
    /// See there.
    pub(super) webhooks: webhooks::WebhookStatements<E>,
    pub(super) check: Statement<E>,
}

impl<E: Engine> Statements<E> {
    pub(super) fn new(names: Names) -> Self {
        let (gun, role) = (is::<E>("gun", 1), is::<E>("role", 2));
        let live = format!("FROM tuf_files WHERE {gun} AND {role} AND deleted_at IS NULL");
        let (insert, leave) = insert_or_leave::<E>();
        let same_gun = same_gun::<E>(&names);
        Self {
            latest: Statement::new(&format!("SELECT {FILE} {live} ORDER BY version DESC LIMIT 1")),
            newest: Statement::new(&newest::<E>()),
            by_version: Statement::new(&format!("SELECT {FILE} {live} AND version = $3")),
            by_sha256: Statement::new(&format!("SELECT {FILE} {live} AND {} {NEWEST_OF_A_DIGEST}", is_sha256::<E>(3))),
            newest_of: (0..=MAX_ROLES.ilog2())
                .map(|power| 1_usize << power)
                .map(|count| (count, Arc::new(Statement::new(&newest_of::<E>(count)))))
                .collect(),
            take_repository: Statement::new(&format!(
                "INSERT INTO bulla_repositories (gun, used_at, writes) VALUES ($1, $2, 1) {} used_at = {}, \
                 writes = bulla_repositories.writes + 1",
                or_update::<E>("gun"),
                greater::<E>("bulla_repositories.used_at", "$3")
            )),
            writes: Statement::new("SELECT writes FROM bulla_repositories WHERE gun = $1"),
            equal_name: Statement::new(match E::ENGINE {
                EngineName::Sqlite | EngineName::Postgres => "SELECT gun FROM tuf_files WHERE gun = $1 AND gun <> $1",
                EngineName::MySql => {
                    "SELECT gun FROM tuf_files WHERE gun = $1 AND CAST(gun AS BINARY) <> CAST($1 AS BINARY) LIMIT 1"
                }
            }),
            insert_change: Statement::new(&insert_change(["$1", "$2", "$3", "$4", "$5"])),
            insert_renewal: Statement::new(&format!("{insert} bulla_renewals (gun, version) VALUES ($1, $2) {leave}")),
            raise_floors: Statement::new(&raise_floors::<E>()),
            delete_files: Statement::new(&format!("DELETE FROM tuf_files WHERE {gun}")),
            delete_renewals: Statement::new("DELETE FROM bulla_renewals WHERE gun = $1"),
            forward: Statement::new(&changes("id > $1", "ASC")),
            forward_of_gun: Statement::new(&changes(&format!("id > $1 AND {}", is::<E>("gun", 3)), "ASC")),
            backward: Statement::new(&changes("id < $1", "DESC")),
            backward_of_gun: Statement::new(&changes(&format!("id < $1 AND {}", is::<E>("gun", 3)), "DESC")),
            adopt_up_to: Statement::new(
                "SELECT max(id) FROM (SELECT id FROM tuf_files WHERE id > $1 ORDER BY id LIMIT $2) AS looked_at",
            ),
            adopt: Statement::new(&format!(
                "{insert} bulla_repositories (gun, used_at) SELECT DISTINCT {}, {} FROM tuf_files t \
                 WHERE t.id > $2 AND t.id <= $3 AND t.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM bulla_repositories r WHERE {}) {leave}",
                bytewise::<E>("t.gun"),
                number::<E>("$1"),
                same_own_gun::<E>()
            )),
            aging: Statement::new(&format!(
                "SELECT r.gun, CASE WHEN r.used_at >= $3 AND (SELECT t.created_at FROM tuf_files t WHERE {same_gun} \
                 AND t.role = 'timestamp' AND t.deleted_at IS NULL ORDER BY t.version DESC LIMIT 1) < $4 \
                 THEN 1 ELSE 0 END AS found FROM (SELECT gun, used_at FROM bulla_repositories WHERE gun > $1 \
                 ORDER BY gun LIMIT $2) AS r ORDER BY r.gun"
            )),
            note_use: Statement::new(&format!(
                "INSERT INTO bulla_repositories (gun, used_at) SELECT {}, {} \
                 FROM (SELECT 1 AS number FROM tuf_files WHERE {} LIMIT 1) AS there WHERE number = 1 {} used_at = {}",
                own_parameter::<E>("$1"),
                number::<E>("$2"),
                is::<E>("gun", 3),
                or_update::<E>("gun"),
                greater::<E>("bulla_repositories.used_at", "$2"),
            )),
            prolong_lease: Statement::new(
                "UPDATE bulla_leases SET holder = $2, until = $3 WHERE name = $1 \
                 AND (holder = $2 OR until <= $4 OR until > $5)",
            ),
            return_lease: Statement::new("UPDATE bulla_leases SET until = 0 WHERE name = $1 AND holder = $2"),
            new_lease: Statement::new(&format!(
                "{insert} bulla_leases (name, holder, until) VALUES ($1, $2, $3) {leave}"
            )),
            superseded: Statement::new(&format!(
                "SELECT r.gun, r.version, CASE WHEN (SELECT t.created_at FROM tuf_files t WHERE {same_gun} \
                 AND t.role = 'timestamp' AND t.version > r.version AND t.deleted_at IS NULL ORDER BY t.version LIMIT 1) \
                 < $4 THEN 1 ELSE 0 END AS found FROM (SELECT gun, version FROM bulla_renewals WHERE gun >= $1 \
                 AND (gun > $1 OR version > $2) ORDER BY gun, version LIMIT $3) AS r ORDER BY r.gun, r.version"
            )),
            drop_timestamp: Statement::new(&format!(
                "DELETE FROM tuf_files WHERE {gun} AND role = 'timestamp' AND version = $2"
            )),
            drop_renewal: Statement::new("DELETE FROM bulla_renewals WHERE gun = $1 AND version = $2"),
            // No EXISTS: PostgreSQL may answer many of them with a walk through the whole table.
            guns: Statement::new(&format!(
                "SELECT r.gun, CASE WHEN (SELECT 1 FROM tuf_files t WHERE {same_gun} AND t.deleted_at IS NULL LIMIT 1) = 1 \
                 THEN 1 ELSE 0 END AS found FROM (SELECT gun FROM bulla_repositories WHERE gun > $1 ORDER BY gun LIMIT $2) \
                 AS r ORDER BY r.gun"
            )),
            files: Statement::new(&format!(
                "SELECT id, role, {FILE} FROM tuf_files WHERE {gun} AND id > $2 AND deleted_at IS NULL \
                 ORDER BY id LIMIT $3"
            )),
            file_keys: Statement::new(&format!(
                "SELECT id, role, version, created_at FROM tuf_files WHERE {gun} AND id > $2 AND deleted_at IS NULL \
                 ORDER BY id LIMIT $3"
            )),
            overview: Statement::new(&overview::of_page(&same_gun)),
            overview_of: Statement::new(&overview::of_one(&same_gun)),
            old_files: Statement::new(&old_files::find::<E>()),
            remove_files: Statement::new(&old_files::remove()),
            webhooks: webhooks::WebhookStatements::new(),
            check: Statement::new("SELECT count(*) FROM change_category"),
            names,
        }
    }

    /// The statement for `roles` roles, at most [`MAX_ROLES`], and for how many it really is.
    pub(super) fn newest_of(&self, roles: usize) -> Option<(usize, Arc<Statement<E>>)> {
        self.newest_of.iter().find(|(count, _)| *count >= roles).cloned()
    }
}

/// Writes `files` files: $1 time, $2 GUN, then role, version, digest and bytes of each.
pub(super) fn insert_files<E: Engine>(files: usize) -> Statement<E> {
    Statement::new(&insert_files_text(files))
}

/// The same, and the change record with the version, digest and category that follow; for engines that can write to
/// several tables at once.
pub(super) fn insert_files_and_change<E: Engine>(files: usize, is_renewal: bool) -> Statement<E> {
    let next = 3 + 4 * files;
    let (version, sha256, category) = (format!("${next}"), format!("${}", next + 1), format!("${}", next + 2));
    let (insert, leave) = insert_or_leave::<E>();
    let renewal = if is_renewal {
        format!(", renewal AS ({insert} bulla_renewals (gun, version) VALUES ($2, {version}) {leave})")
    } else {
        String::new()
    };
    Statement::new(&format!(
        "WITH files AS ({}){renewal} {}",
        insert_files_text(files),
        insert_change(["$1", "$2", &version, &sha256, &category])
    ))
}

fn insert_files_text(files: usize) -> String {
    let row = |file: usize| {
        let first = 3 + 4 * file;
        format!("($1, $1, $2, ${first}, ${}, ${}, ${})", first + 1, first + 2, first + 3)
    };
    let rows: Vec<String> = (0..files).map(row).collect();
    format!(
        "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) VALUES {}",
        rows.join(", ")
    )
}

fn insert_change([time, gun, version, sha256, category]: [&str; 5]) -> String {
    format!(
        "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
         VALUES ({time}, {gun}, {version}, {sha256}, {category})"
    )
}

fn newest<E: Engine>() -> String {
    let gun = is::<E>("gun", 1);
    let file = |role: &str| {
        let columns = if role == "targets" { format!("{EDITION}, created_at") } else { FILE.to_owned() };
        format!(
            "SELECT '{role}' AS part, {columns}, 0 AS timestamp_floor, 0 AS writes FROM tuf_files WHERE {gun} AND role = '{role}' AND deleted_at IS NULL \
             ORDER BY version DESC LIMIT 1"
        )
    };
    let repository = "SELECT 'repository' AS part, snapshot_floor AS version, NULL AS sha256, NULL AS data, \
                      NULL AS created_at, timestamp_floor, writes FROM bulla_repositories WHERE gun = $2";
    let mut parts: Vec<String> = ["root", "targets", "snapshot", "timestamp"].map(file).into();
    parts.push(repository.to_owned());
    all_of::<E>(&parts)
}

fn newest_of<E: Engine>(count: usize) -> String {
    let one = |place: usize| {
        format!(
            "SELECT role, {EDITION} FROM tuf_files WHERE {} AND {} AND deleted_at IS NULL \
             ORDER BY version DESC LIMIT 1",
            is::<E>("gun", 1),
            is::<E>("role", place)
        )
    };
    let selections: Vec<String> = (2..count + 2).map(one).collect();
    all_of::<E>(&selections)
}

fn raise_floors<E: Engine>() -> String {
    let raised = |role: &str| {
        let highest = format!(
            "coalesce((SELECT max(version) FROM tuf_files WHERE {} AND role = '{role}'), 0)",
            is::<E>("gun", 1)
        );
        format!("{role}_floor = {}", greater::<E>(&format!("{role}_floor"), &highest))
    };
    format!("UPDATE bulla_repositories SET {}, {} WHERE gun = $2", raised("snapshot"), raised("timestamp"))
}

fn changes(condition: &str, order: &str) -> String {
    format!(
        "SELECT id, created_at, gun, version, sha256, category FROM changefeed WHERE {condition} \
         ORDER BY id {order} LIMIT $2"
    )
}

/// A number among selected columns, whose type PostgreSQL cannot tell otherwise.
fn number<E: Engine>(parameter: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::MySql => parameter.to_owned(),
        EngineName::Postgres => format!("{parameter}::bigint"),
    }
}

/// A text among selected columns, likewise.
pub(super) fn own_parameter<E: Engine>(parameter: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::MySql => parameter.to_owned(),
        EngineName::Postgres => format!("{parameter}::varchar"),
    }
}
