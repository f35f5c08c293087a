-- The reference's tables. Times are microseconds since 1970 in UTC.
CREATE TABLE tuf_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER,
    updated_at INTEGER,
    deleted_at INTEGER,
    gun TEXT NOT NULL,
    role TEXT NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    UNIQUE (gun, role, version)
);

CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256, gun, role);

-- Finds the repositories whose timestamp grows old.
CREATE INDEX tuf_files_timestamps_idx ON tuf_files (gun, created_at) WHERE role = 'timestamp' AND deleted_at IS NULL;

CREATE TABLE change_category (
    category TEXT NOT NULL PRIMARY KEY
);

INSERT INTO change_category (category) VALUES ('update'), ('deletion');

CREATE TABLE changefeed (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    gun TEXT NOT NULL,
    version INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    category TEXT NOT NULL DEFAULT 'update' REFERENCES change_category (category)
);

CREATE INDEX idx_changefeed_gun ON changefeed (gun, id);
