//! What only one engine can show.

mod outages;
mod packets;
mod sqlite;
mod taken_over;
mod waiting;
