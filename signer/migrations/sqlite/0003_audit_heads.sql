-- The audit of signers: the newest head of each one's chain, which says, signed, how far the chain had come, and the
-- keys that sign heads, sealed like other keys. A head is put here about every second while something is recorded.
CREATE TABLE bulla_audit_heads (
    signer TEXT NOT NULL PRIMARY KEY,
    chain TEXT NOT NULL,
    entries INTEGER NOT NULL,
    head TEXT NOT NULL
);
CREATE TABLE bulla_audit_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    signer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    encryption_alg TEXT NOT NULL,
    keywrap_alg TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    passphrase_alias TEXT NOT NULL,
    public BLOB NOT NULL,
    private BLOB NOT NULL
);
