//! What only one engine can show.

mod sqlite;
