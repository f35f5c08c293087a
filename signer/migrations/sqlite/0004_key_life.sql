-- What is known of a key beyond the reference's columns, in seconds since 1970: when it signed first, and since when it
-- signs no more. A key without a row here has signed never or before this table was made, and is not retired.
CREATE TABLE bulla_key_life (key_id TEXT NOT NULL PRIMARY KEY, first_used INTEGER, retired_at INTEGER);
