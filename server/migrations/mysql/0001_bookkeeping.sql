-- What the reference's migration tool looks for, so that the reference starts on a database that we made.
CREATE TABLE schema_migrations (
    version bigint NOT NULL,
    dirty tinyint(1) NOT NULL,
    PRIMARY KEY (version)
) ENGINE=InnoDB;

INSERT INTO schema_migrations (version, dirty) VALUES (5, 0);
