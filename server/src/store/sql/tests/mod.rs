//! What only one engine can show.

mod outages;
mod sqlite;
mod taken_over;
