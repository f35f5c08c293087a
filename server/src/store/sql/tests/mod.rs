//! What only one engine can show.

mod outages;
mod packets;
mod postgres;
mod sqlite;
mod taken_over;
mod waiting;
