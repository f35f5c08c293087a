-- The reference's tables, as its own migrations leave them but for the collation, which tells all names apart; nothing
-- happens where they are there already.
CREATE TABLE IF NOT EXISTS tuf_files (
    id int NOT NULL AUTO_INCREMENT,
    created_at timestamp NULL DEFAULT NULL,
    updated_at timestamp NULL DEFAULT NULL,
    deleted_at timestamp NULL DEFAULT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    version int NOT NULL,
    data longblob NOT NULL,
    sha256 char(64) DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY gun (gun, role, version),
    KEY sha256 (sha256)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS change_category (
    category varchar(20) NOT NULL,
    PRIMARY KEY (category)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO change_category (category) VALUES ('update'), ('deletion');

CREATE TABLE IF NOT EXISTS changefeed (
    id int NOT NULL AUTO_INCREMENT,
    created_at timestamp NULL DEFAULT CURRENT_TIMESTAMP,
    gun varchar(255) NOT NULL,
    version int NOT NULL,
    sha256 char(64) DEFAULT NULL,
    category varchar(20) NOT NULL DEFAULT 'update',
    PRIMARY KEY (id),
    KEY category (category),
    KEY idx_changefeed_gun (gun),
    CONSTRAINT changefeed_ibfk_1 FOREIGN KEY (category) REFERENCES change_category (category)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
