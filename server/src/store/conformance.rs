//! One suite for every store: what holds in memory holds in every database.
