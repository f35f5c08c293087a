-- The audit of signers: the newest head of each one's chain, which says, signed, how far the chain had come, and the
-- keys that sign heads, sealed like other keys. A head is put here about every second while something is recorded.
CREATE TABLE bulla_audit_heads (
    signer varchar(100) NOT NULL PRIMARY KEY,
    chain varchar(32) NOT NULL,
    entries bigint NOT NULL,
    head varchar(2048) NOT NULL
);
CREATE TABLE bulla_audit_keys (
    key_id varchar(255) NOT NULL PRIMARY KEY,
    signer varchar(100) NOT NULL,
    created_at bigint NOT NULL,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public bytea NOT NULL,
    private bytea NOT NULL
);
