-- How far each webhook has got: the number of the last change record whose events its receiver took. One process at a time
-- delivers for it, until a time in microseconds since 1970.
CREATE TABLE bulla_webhooks (
    name TEXT NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL,
    holder TEXT NOT NULL DEFAULT '',
    until INTEGER NOT NULL DEFAULT 0
);
