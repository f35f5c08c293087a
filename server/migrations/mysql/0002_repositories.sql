-- What the server knows of a repository beside its files. Times are microseconds since 1970 in UTC. Names are the bytes
-- of 255 characters: a text column would take trailing blanks for nothing.

-- used_at: last read or publish. Floors: the highest version that a deletion removed, 0 for none. writes: how often the
-- repository was committed or deleted; it changes each time, so that two writers always meet in this row, also on two
-- nodes of a cluster.
CREATE TABLE IF NOT EXISTS bulla_repositories (
    gun varbinary(1020) NOT NULL,
    used_at bigint NOT NULL,
    snapshot_floor bigint NOT NULL DEFAULT 0,
    timestamp_floor bigint NOT NULL DEFAULT 0,
    writes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (gun)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Timestamps made by renewal.
CREATE TABLE IF NOT EXISTS bulla_renewals (
    gun varbinary(1020) NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (gun, version)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Work that one process of many does, until a time.
CREATE TABLE IF NOT EXISTS bulla_leases (
    name varchar(20) NOT NULL,
    holder varchar(255) NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
