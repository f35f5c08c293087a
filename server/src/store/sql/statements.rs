//! The statements, for SQLite. Columns are listed, never `*`; rows marked deleted are not there.

pub(super) const LATEST: &str = "SELECT version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = $2 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";

/// One row for each of root, targets, snapshot and timestamp that is there.
pub(super) const NEWEST: &str = "\
     SELECT * FROM (SELECT role, version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = 'root' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) UNION ALL \
     SELECT * FROM (SELECT role, version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = 'targets' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) UNION ALL \
     SELECT * FROM (SELECT role, version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = 'snapshot' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) UNION ALL \
     SELECT * FROM (SELECT role, version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1)";

pub(super) const BY_VERSION: &str = "SELECT version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = $2 AND version = $3 AND deleted_at IS NULL";

pub(super) const BY_SHA256: &str = "SELECT version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND role = $2 AND sha256 = $3 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";

/// Uses the partial index `tuf_files_timestamps_idx`, which holds nothing but timestamps.
pub(super) const AGING: &str = "SELECT t.gun FROM tuf_files t LEFT JOIN bulla_repositories r ON r.gun = t.gun \
     WHERE t.role = 'timestamp' AND t.deleted_at IS NULL AND t.gun > $1 AND (r.gun IS NULL OR r.used_at >= $4) \
     GROUP BY t.gun HAVING max(t.created_at) < $2 ORDER BY t.gun LIMIT $3";

pub(super) const INSERT_FILE: &str = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
     VALUES ($1, $1, $2, $3, $4, $5, $6)";

pub(super) const INSERT_CHANGE: &str =
    "INSERT INTO changefeed (created_at, gun, version, sha256, category) VALUES ($1, $2, $3, $4, $5)";

pub(super) const DELETE_FILES: &str = "DELETE FROM tuf_files WHERE gun = $1";

pub(super) const CHANGES_FORWARD: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
     WHERE id > $1 ORDER BY id ASC LIMIT $2";

pub(super) const CHANGES_FORWARD_OF_GUN: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
     WHERE id > $1 AND gun = $3 ORDER BY id ASC LIMIT $2";

pub(super) const CHANGES_BACKWARD: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
     WHERE id < $1 ORDER BY id DESC LIMIT $2";

pub(super) const CHANGES_BACKWARD_OF_GUN: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
     WHERE id < $1 AND gun = $3 ORDER BY id DESC LIMIT $2";

pub(super) const CHECK: &str = "SELECT count(*) FROM change_category";

pub(super) const FLOORS: &str = "SELECT snapshot_floor, timestamp_floor FROM bulla_repositories WHERE gun = $1";

pub(super) const NEWEST_OF: &str = "SELECT version, sha256 FROM tuf_files \
     WHERE gun = $1 AND role = $2 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";

pub(super) const NOTE_USE: &str = "INSERT INTO bulla_repositories (gun, used_at) \
     SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM tuf_files WHERE gun = $1) \
     ON CONFLICT (gun) DO UPDATE SET used_at = max(used_at, excluded.used_at)";

pub(super) const RAISE_FLOORS: &str = "INSERT INTO bulla_repositories (gun, used_at, snapshot_floor, timestamp_floor) \
     SELECT $1, $2, coalesce(max(CASE role WHEN 'snapshot' THEN version END), 0), \
     coalesce(max(CASE role WHEN 'timestamp' THEN version END), 0) FROM tuf_files WHERE gun = $1 HAVING count(*) > 0 \
     ON CONFLICT (gun) DO UPDATE SET snapshot_floor = max(snapshot_floor, excluded.snapshot_floor), \
     timestamp_floor = max(timestamp_floor, excluded.timestamp_floor)";

pub(super) const INSERT_RENEWAL: &str =
    "INSERT INTO bulla_renewals (gun, version) VALUES ($1, $2) ON CONFLICT (gun, version) DO NOTHING";

pub(super) const DELETE_RENEWALS: &str = "DELETE FROM bulla_renewals WHERE gun = $1";

pub(super) const TAKE_LEASE: &str = "INSERT INTO bulla_leases (name, holder, until) VALUES ($1, $2, $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
     WHERE bulla_leases.holder = excluded.holder OR bulla_leases.until <= $4";

/// Renewals whose next timestamp was stored before $1.
pub(super) const SUPERSEDED: &str = "SELECT r.gun, r.version FROM bulla_renewals r WHERE \
     (SELECT t.created_at FROM tuf_files t WHERE t.gun = r.gun AND t.role = 'timestamp' AND t.version > r.version \
     ORDER BY t.version LIMIT 1) < $1 ORDER BY r.gun, r.version LIMIT $2";

pub(super) const DROP_TIMESTAMP: &str = "DELETE FROM tuf_files WHERE gun = $1 AND role = 'timestamp' AND version = $2";

pub(super) const DROP_RENEWAL: &str = "DELETE FROM bulla_renewals WHERE gun = $1 AND version = $2";

pub(super) const GUNS: &str = "SELECT DISTINCT gun FROM tuf_files \
     WHERE gun > $1 AND deleted_at IS NULL ORDER BY gun LIMIT $2";

pub(super) const FILES: &str = "SELECT id, role, version, sha256, data, created_at FROM tuf_files \
     WHERE gun = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3";

pub(super) const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS bulla_migrations (component TEXT NOT NULL, \
     version INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (component, version))";

pub(super) const NOTE_MIGRATION: &str = "INSERT INTO bulla_migrations (component, version, name) \
     VALUES ('server', $1, $2) ON CONFLICT DO NOTHING";

pub(super) const NOTE_UNKNOWN: &str =
    "INSERT INTO bulla_repositories (gun, used_at) VALUES ($1, $2) ON CONFLICT (gun) DO NOTHING";
