-- The audit of signers: the newest head of each one's chain, which says, signed, how far the chain had come, and the
-- keys that sign heads, sealed like other keys. A head is put here about every second while something is recorded.
CREATE TABLE IF NOT EXISTS bulla_audit_heads (
    signer varchar(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    chain varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entries bigint NOT NULL,
    head varchar(2048) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS bulla_audit_keys (
    key_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    signer varchar(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at bigint NOT NULL,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL
) ENGINE=InnoDB;
