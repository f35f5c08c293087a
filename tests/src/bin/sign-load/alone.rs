//! What `ring` alone does in one thread: the measure that a signer is held against.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use crate::Algorithm;
use crate::documents::Kind;
use crate::processor::Watched;

/// How many are made between two looks at the clock.
const BATCH: u64 = 256;

/// Signatures for each second of one processor, so that others on the machine do not count. Displays as `ALONE RATE`.
#[derive(Debug)]
pub(crate) struct Rate(f64);

/// Signs documents of both kinds, prepared keys over and over.
pub(crate) fn sign(algorithm: Algorithm, limit: Duration) -> anyhow::Result<Rate> {
    let rng = SystemRandom::new();
    let refused = |_| anyhow!("ring gave no key");
    let document = |version: u64| Kind::of_number(usize::from(version % 2 == 1)).document(version);
    match algorithm {
        Algorithm::Ecdsa => {
            let method = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let sealed = EcdsaKeyPair::generate_pkcs8(method, &rng).map_err(refused)?;
            let pair = EcdsaKeyPair::from_pkcs8(method, sealed.as_ref(), &rng)
                .map_err(|_| refused(ring::error::Unspecified))?;
            measure(limit, |version| pair.sign(&rng, &document(version)).is_ok())
        }
        Algorithm::Ed25519 => {
            let sealed = Ed25519KeyPair::generate_pkcs8(&rng).map_err(refused)?;
            let pair = Ed25519KeyPair::from_pkcs8(sealed.as_ref()).map_err(|_| refused(ring::error::Unspecified))?;
            measure(limit, |version| pair.sign(&document(version)).as_ref().len() == 64)
        }
    }
}

fn measure(limit: Duration, mut one: impl FnMut(u64) -> bool) -> anyhow::Result<Rate> {
    let own = Watched::own("ring");
    let (begun, before) = (Instant::now(), own.used()?);
    let mut made = 0;
    while begun.elapsed() < limit {
        for _ in 0..BATCH {
            made += 1;
            anyhow::ensure!(one(made), "ring made no signature");
        }
    }
    Ok(Rate(made as f64 * 1_000_000.0 / (own.used()? - before).max(1.0)))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ALONE {:.0}", self.0)
    }
}
