-- What the reference's migration tool looks for, so that the reference starts on a database that we made.
CREATE TABLE schema_migrations (
    version bigint NOT NULL PRIMARY KEY,
    dirty boolean NOT NULL
);

INSERT INTO schema_migrations (version, dirty) VALUES (2, false);
