-- What the server knows of a repository beside its files. Times are microseconds since 1970 in UTC.

-- used_at: last read or publish. Floors: the highest version that a deletion removed, 0 for none. writes: how often the
-- repository was committed or deleted; it changes each time, so that two writers always meet in this row.
CREATE TABLE bulla_repositories (
    gun TEXT NOT NULL PRIMARY KEY,
    used_at INTEGER NOT NULL,
    snapshot_floor INTEGER NOT NULL DEFAULT 0,
    timestamp_floor INTEGER NOT NULL DEFAULT 0,
    writes INTEGER NOT NULL DEFAULT 0
);

-- Timestamps made by renewal.
CREATE TABLE bulla_renewals (
    gun TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (gun, version)
);

-- Work that one process of many does, until a time.
CREATE TABLE bulla_leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
);
