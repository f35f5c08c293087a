-- How far each webhook has got: the number of the last change record whose events its receiver took. One process at a time
-- delivers for it, until a time in microseconds since 1970.
CREATE TABLE IF NOT EXISTS bulla_webhooks (
    name varchar(64) NOT NULL,
    place bigint NOT NULL,
    holder varchar(255) NOT NULL DEFAULT '',
    until bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
