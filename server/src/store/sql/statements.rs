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

/// Rows marked deleted count here: the unique constraint counts them too.
pub(super) const NEWEST_VERSION: &str = "SELECT max(version) FROM tuf_files WHERE gun = $1 AND role = $2";

pub(super) const NEWEST_TIMESTAMP: &str = "SELECT version, sha256 FROM tuf_files \
     WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";

/// Uses the partial index `tuf_files_timestamps_idx`, which holds nothing but timestamps.
pub(super) const AGING: &str = "SELECT gun FROM tuf_files \
     WHERE role = 'timestamp' AND deleted_at IS NULL AND gun > $1 \
     GROUP BY gun HAVING max(created_at) < $2 ORDER BY gun LIMIT $3";

/// Writes nothing when the version is not newer than every stored one.
pub(super) const INSERT_FILE: &str = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
     SELECT $1, $1, $2, $3, $4, $5, $6 \
     WHERE NOT EXISTS (SELECT 1 FROM tuf_files WHERE gun = $2 AND role = $3 AND version >= $4)";

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
