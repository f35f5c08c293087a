-- The role, and the repository if it is known, that a key without a role took with the first document that it signed.
-- Such rows are in tables of Notary's signer on MySQL that are older than its columns gun and role. A row here is never changed.
CREATE TABLE bulla_key_roles (
    key_id TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    gun TEXT NOT NULL,
    noted_at INTEGER NOT NULL
);
