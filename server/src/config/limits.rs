//! `limits`: bounds on what one client, or all together, may use. Our own section; the reference has none of these.

use std::time::Duration;

use tuf_schema::update_answer::MAX_DELTA_DOCUMENT_BYTES;

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;
use super::network::Network;
use super::rates::Rates;
use crate::publish::PublishLimits;

/// What is declared here and read below; the defaults are those of [`Limits::default`], which a test compares.
pub(super) const KEYS: &[Key] = &[
    Key::new("limits.document_bytes", "67108864"),
    Key::new("limits.upload_memory_bytes", "268435456"),
    Key::new("limits.large_uploads", "2"),
    Key::new("limits.answer_memory_bytes", "268435456"),
    Key::new("limits.update_bytes", "67108864"),
    Key::new("limits.deltas", "2"),
    Key::new("limits.delta_bytes", "33554432"),
    Key::new("limits.delta_memory_bytes", "16777216"),
    Key::new("limits.memory_share_percent", "50"),
    Key::new("limits.parts", "1000"),
    Key::new("limits.token_bytes", "65536"),
    Key::new("limits.version_step", "10000"),
    Key::new("limits.connections", "1024"),
    Key::new("limits.connections_per_address", "768"),
    Key::new("limits.handshake_seconds", "10"),
    Key::new("limits.header_seconds", "60"),
    Key::new("limits.request_seconds", "120"),
    Key::new("limits.stop_seconds", "8"),
    Key::new("limits.signatures", "256"),
    Key::new("limits.delegations", "4000"),
    Key::new("limits.snapshot_roles", "4000"),
    Key::new("limits.trusted_proxies", "none: the address at the other end counts").with_example("[\"10.0.0.0/8\"]"),
];

const MEBIBYTE: u64 = 1 << 20;

/// Bounds on what clients may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `document_bytes`: the largest body of one upload. Default 64 MiB.
    pub document_bytes: usize,
    /// `upload_memory_bytes`: what the bodies of all uploads at work may hold together; who comes later gets 503.
    /// Default 256 MiB.
    pub upload_memory_bytes: usize,
    /// `large_uploads`: how many uploads above 256 KiB are judged at once; others wait. One may take half a gigabyte
    /// (measured with four million short texts). Default 2.
    pub large_uploads: usize,
    /// `answer_memory_bytes`: what all answers may hold together while clients read them, those of 64 KiB and less left
    /// out; who comes later gets 503. Default 256 MiB, and never less than the largest document.
    pub answer_memory_bytes: usize,
    /// `update_bytes`: the largest answer that brings a client all that it does not hold; what has no room in it is asked
    /// for as always. Default 64 MiB.
    pub update_bytes: usize,
    /// `deltas`: how many deltas are made at once; 0 makes none. Who gets no turn is sent the whole document. Default 2.
    pub deltas: usize,
    /// `delta_bytes`: the largest document that a delta is made of, or made against. Default 32 MiB.
    pub delta_bytes: usize,
    /// `delta_memory_bytes`: what deltas that were made may take, to be sent to others. Default 16 MiB.
    pub delta_memory_bytes: usize,
    /// `memory_share_percent`: how much of the memory for uploads one repository may hold and one subject, and of that
    /// for answers one subject; never less than one of the largest size. Default 50.
    pub memory_share_percent: usize,
    /// `parts`: the number of parts of one upload. Default 1000.
    pub parts: usize,
    /// `token_bytes`: the longest bearer token. Default 64 KiB.
    pub token_bytes: usize,
    /// `version_step`, `signatures`, `delegations`, `snapshot_roles`: what one upload may hold.
    pub publish: PublishLimits,
    /// `connections`: connections open at once; more wait to be accepted. Default 1024.
    pub connections: usize,
    /// `connections_per_address`: connections open at once from one address that is no trusted proxy; more are closed
    /// at once. Default three quarters of `connections`.
    pub connections_per_address: usize,
    /// `handshake_seconds`: the time for a TLS handshake. Default 10.
    pub handshake: Duration,
    /// `header_seconds`: the time for the head of a request, waiting on a kept connection included. Default 60.
    pub header: Duration,
    /// `request_seconds`: the time for a whole request, its body included, and the time without progress in sending
    /// an answer; all of an answer has this and a second for each 64 KiB. Default 120.
    pub request: Duration,
    /// `stop_seconds`: how long requests at work are waited for at the end. Default 8.
    pub stop: Duration,
    /// How often something may be asked for.
    pub rates: Rates,
    /// `trusted_proxies`: the proxies whose `X-Forwarded-For` says where a request comes from. Default none: the
    /// address at the other end of the connection counts, and the header nothing.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 64 << 20,
            upload_memory_bytes: 256 << 20,
            large_uploads: 2,
            answer_memory_bytes: 256 << 20,
            update_bytes: 64 << 20,
            deltas: 2,
            delta_bytes: 32 << 20,
            delta_memory_bytes: 16 << 20,
            memory_share_percent: 50,
            parts: 1000,
            token_bytes: 64 << 10,
            publish: PublishLimits::default(),
            connections: 1024,
            connections_per_address: 768,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(60),
            request: Duration::from_secs(120),
            stop: Duration::from_secs(8),
            rates: Rates::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Limits {
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let default = Self::default();
        let size = |key, default: usize, min, max| -> Result<usize, ConfigError> {
            Ok(document.number(key, min, max)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(default))
        };
        let seconds = |key, default: Duration| -> Result<Duration, ConfigError> {
            Ok(document.number(key, 1, 86_400)?.map_or(default, Duration::from_secs))
        };
        let connections = size("limits.connections", default.connections, 1, 1_000_000)?;
        let three_quarters = connections.saturating_sub(connections / 4);
        let document_bytes = size("limits.document_bytes", default.document_bytes, 1024, 1024 * MEBIBYTE)?;
        let least_memory = least_upload_memory(document_bytes);
        let given =
            size("limits.upload_memory_bytes", default.upload_memory_bytes, least_memory, 1024 * 1024 * MEBIBYTE)?;
        Ok(Self {
            document_bytes,
            upload_memory_bytes: given.max(usize::try_from(least_memory).unwrap_or(usize::MAX)),
            large_uploads: size("limits.large_uploads", default.large_uploads, 1, 1000)?,
            answer_memory_bytes: size(
                "limits.answer_memory_bytes",
                default.answer_memory_bytes,
                64 << 10,
                1024 * 1024 * MEBIBYTE,
            )?
            .max(document_bytes),
            update_bytes: size("limits.update_bytes", default.update_bytes, 0, 1024 * MEBIBYTE)?,
            deltas: size("limits.deltas", default.deltas, 0, 1000)?,
            delta_bytes: size("limits.delta_bytes", default.delta_bytes, 1024, MAX_DELTA_DOCUMENT_BYTES)?,
            delta_memory_bytes: size(
                "limits.delta_memory_bytes",
                default.delta_memory_bytes,
                64 << 10,
                1024 * MEBIBYTE,
            )?,
            memory_share_percent: size("limits.memory_share_percent", default.memory_share_percent, 1, 100)?,
            parts: size("limits.parts", default.parts, 1, 100_000)?,
            token_bytes: size("limits.token_bytes", default.token_bytes, 1024, MEBIBYTE)?,
            publish: publish_limits(document)?,
            connections,
            connections_per_address: size("limits.connections_per_address", three_quarters, 1, 1_000_000)?,
            handshake: seconds("limits.handshake_seconds", default.handshake)?,
            header: seconds("limits.header_seconds", default.header)?,
            request: seconds("limits.request_seconds", default.request)?,
            stop: seconds("limits.stop_seconds", default.stop)?,
            rates: Rates::read(document)?,
            trusted_proxies: trusted_proxies(document)?,
        })
    }

    /// Room for the head of a request: a token, and 256 KiB for the rest and for a token that is too long, so that it is
    /// answered as a bad token and not as a bad request. No more, because every connection may hold it before it is
    /// known who is at its other end.
    #[must_use]
    pub fn head_bytes(&self) -> usize {
        self.token_bytes.saturating_add(256 << 10)
    }
}

/// Never above what the parsers take: [`PublishLimits::default`].
fn publish_limits(document: &Document) -> Result<PublishLimits, ConfigError> {
    let most = PublishLimits::default();
    let size = |key, most: usize| -> Result<usize, ConfigError> {
        let max = u64::try_from(most).unwrap_or(u64::MAX);
        Ok(document.number(key, 1, max)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(most))
    };
    let step = document.number("limits.version_step", 1, u64::from(i32::MAX.unsigned_abs()))?;
    Ok(PublishLimits {
        version_step: step.and_then(|n| u32::try_from(n).ok()).unwrap_or(most.version_step),
        signatures: size("limits.signatures", most.signatures)?,
        delegations: size("limits.delegations", most.delegations)?,
        snapshot_roles: size("limits.snapshot_roles", most.snapshot_roles)?,
    })
}

fn trusted_proxies(document: &Document) -> Result<Vec<Network>, ConfigError> {
    const KEY: &str = "limits.trusted_proxies";
    let parse = |value: String| Network::parse(&value).ok_or(ConfigError::NoNetwork { key: KEY, value });
    document.list(KEY)?.into_iter().map(parse).collect()
}

/// The least total that lets one upload of the largest size in: its body, the buffers of its connection, and the part
/// of a small total that is kept back.
fn least_upload_memory(document_bytes: usize) -> u64 {
    let document = u64::try_from(document_bytes).unwrap_or(u64::MAX);
    document.saturating_mul(4).saturating_add(MEBIBYTE).min(document.saturating_add(32 * MEBIBYTE))
}
