-- What the server knows of a repository beside its files. Times are microseconds since 1970 in UTC.

-- used_at: last read or publish. Floors: the highest version that a deletion removed, 0 for none. writes: how often the
-- repository was committed or deleted; it changes each time, so that two writers always meet in this row.
CREATE TABLE IF NOT EXISTS bulla_repositories (
    gun varchar(255) COLLATE "C" NOT NULL PRIMARY KEY,
    used_at bigint NOT NULL,
    snapshot_floor bigint NOT NULL DEFAULT 0,
    timestamp_floor bigint NOT NULL DEFAULT 0,
    writes bigint NOT NULL DEFAULT 0
);

-- Timestamps made by renewal.
CREATE TABLE IF NOT EXISTS bulla_renewals (
    gun varchar(255) COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (gun, version)
);

-- Work that one process of many does, until a time.
CREATE TABLE IF NOT EXISTS bulla_leases (
    name varchar(20) NOT NULL PRIMARY KEY,
    holder varchar(255) NOT NULL,
    until bigint NOT NULL
);
