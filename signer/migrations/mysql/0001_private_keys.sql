-- The reference's table as its own migrations leave it (notary 0.7, signer migrations 1 and 2), for a database without it,
-- but for the collation: here names are compared exactly.

-- What the reference's migration tool would have noted, so that it has nothing to do on the way back. It comes first:
-- each statement counts at once, and the table below is what tells whether this was done.
CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL) ENGINE=InnoDB;
INSERT INTO schema_migrations (version, dirty)
    SELECT 2, false FROM (SELECT 1) AS one WHERE NOT EXISTS (SELECT 1 FROM schema_migrations);

CREATE TABLE IF NOT EXISTS private_keys (
    id int(11) NOT NULL AUTO_INCREMENT,
    created_at timestamp NULL DEFAULT NULL,
    updated_at timestamp NULL DEFAULT NULL,
    deleted_at timestamp NULL DEFAULT NULL,
    key_id varchar(255) NOT NULL,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used datetime NULL DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY key_id (key_id),
    UNIQUE KEY key_id_2 (key_id, algorithm)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
