-- The reference's columns under the reference's names. Times are seconds since 1970.
CREATE TABLE private_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    key_id TEXT NOT NULL UNIQUE,
    encryption_alg TEXT NOT NULL,
    keywrap_alg TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    passphrase_alias TEXT NOT NULL,
    public BLOB NOT NULL,
    private BLOB NOT NULL,
    gun TEXT NOT NULL,
    role TEXT NOT NULL,
    last_used INTEGER
);

-- What CreateKey asks: the unused key of a gun, role and algorithm with the lowest key id.
CREATE INDEX private_keys_pending ON private_keys (gun, role, algorithm, key_id)
    WHERE last_used IS NULL AND deleted_at IS NULL;

-- What health asks: some keys sealed under an alias.
CREATE INDEX private_keys_alias ON private_keys (passphrase_alias, key_id);
