-- The role, and the repository if it is known, that a key without a role took with the first document that it signed.
-- Such rows are in tables of Notary's signer on MySQL that are older than its columns gun and role. A row here is never changed; noted_at is in seconds since 1970.
CREATE TABLE IF NOT EXISTS bulla_key_roles (
    key_id varbinary(255) NOT NULL PRIMARY KEY,
    role varchar(255) NOT NULL,
    gun varchar(255) NOT NULL,
    noted_at bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
