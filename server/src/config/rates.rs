//! `limits`, the part that counts by time: how often something may be asked for.

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;

/// What is declared here and read below, with the defaults of [`Rates::default`].
pub(super) const KEYS: &[Key] = &[
    Key::new("limits.client_requests_per_minute", "60000"),
    Key::new("limits.address_requests_per_minute", "600000"),
    Key::new("limits.gun_reads_per_minute", "1200000"),
    Key::new("limits.gun_publishes_per_minute", "600"),
    Key::new("limits.gun_key_requests_per_minute", "600"),
    Key::new("limits.gun_new_keys_per_hour", "120"),
    Key::new("limits.client_new_keys_per_hour", "10000"),
];

/// How often something may be asked for; 0 is without limit. After a rest, all that a minute or an hour allows may come
/// at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// `client_requests_per_minute`: requests with tokens of one subject. Default 60 000.
    pub client_requests: u32,
    /// `address_requests_per_minute`: requests from one address, without a token that counts, or with one that names
    /// nobody. So high because a whole company may be behind one address. Default 600 000.
    pub address_requests: u32,
    /// `gun_reads_per_minute`: reads of one repository. Above what one address is allowed, so that no single one keeps
    /// others from reading. Default 1 200 000.
    pub gun_reads: u32,
    /// `gun_publishes_per_minute`: publishes and deletions of one repository, refused ones included. Default 600.
    pub gun_publishes: u32,
    /// `gun_key_requests_per_minute`: questions for the server's keys of one repository. Default 600.
    pub gun_key_requests: u32,
    /// `gun_new_keys_per_hour`: such questions to which a key that waits for its first use is the answer. Default 120.
    pub gun_new_keys: u32,
    /// `client_new_keys_per_hour`: the same of one subject or address, for all repositories: two are needed for a first
    /// publish. Default 10 000.
    pub client_new_keys: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            client_requests: 60_000,
            address_requests: 600_000,
            gun_reads: 1_200_000,
            gun_publishes: 600,
            gun_key_requests: 600,
            gun_new_keys: 120,
            client_new_keys: 10_000,
        }
    }
}

impl Rates {
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let default = Self::default();
        let rate = |key, default: u32| -> Result<u32, ConfigError> {
            Ok(document.number(key, 0, 1_000_000_000)?.and_then(|n| u32::try_from(n).ok()).unwrap_or(default))
        };
        Ok(Self {
            client_requests: rate("limits.client_requests_per_minute", default.client_requests)?,
            address_requests: rate("limits.address_requests_per_minute", default.address_requests)?,
            gun_reads: rate("limits.gun_reads_per_minute", default.gun_reads)?,
            gun_publishes: rate("limits.gun_publishes_per_minute", default.gun_publishes)?,
            gun_key_requests: rate("limits.gun_key_requests_per_minute", default.gun_key_requests)?,
            gun_new_keys: rate("limits.gun_new_keys_per_hour", default.gun_new_keys)?,
            client_new_keys: rate("limits.client_new_keys_per_hour", default.client_new_keys)?,
        })
    }
}
