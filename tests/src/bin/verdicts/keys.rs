//! The keys of a run: people's, which both sides see alike, and the servers', which each side has its own of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tuf_schema::key::x509;
use tuf_schema::sign::{CertifiedKey, SecretKey, self_signed_root_certificate};
use tuf_schema::{Gun, KeyType, PublicKey, SigningKey, UtcTime};

use crate::chance::Chance;

/// A key by what it is for; which key that is may differ between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyName {
    /// Of the pool.
    Client(u8),
    /// Of the pool, in a certificate.
    Certified(u8, Certificate),
    /// Of the server: the n-th that it was asked for.
    Server(ServerRole, u32),
}

/// What a certificate says beside the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certificate {
    Good,
    ForeignName,
    Expired,
    /// Of a certificate authority.
    Authority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerRole {
    Snapshot,
    Timestamp,
}

impl ServerRole {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

/// How many P-256 keys the pool has; they come first.
pub(crate) const ORDINARY: u8 = 16;
/// Ed25519.
pub(crate) const EDWARDS: u8 = 16;
/// P-384.
pub(crate) const P384: u8 = 17;
/// RSA of 2048 bits.
pub(crate) const RSA: u8 = 18;

/// Keys that every repository of a run may use.
pub(crate) struct Pool(Vec<SecretKey>);

impl Pool {
    /// The pool of a seed.
    pub(crate) fn new(seed: u64) -> anyhow::Result<Self> {
        let mut chance = Chance::new(seed, u64::MAX);
        let mut bytes = |length: usize| -> Vec<u8> {
            let drawn = std::iter::repeat_with(|| chance.next().to_be_bytes()).take(length.div_ceil(8));
            let mut drawn: Vec<u8> = drawn.flatten().take(length).collect();
            // Below the order of every curve.
            drawn.iter_mut().take(1).for_each(|first| *first = 1);
            drawn
        };
        let mut keys = Vec::new();
        for _ in 0..ORDINARY {
            // ECPrivateKey (RFC 5915) without the public key
            let oid = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
            keys.push(SecretKey::from_sec1_der(&sec1(&bytes(32), &oid))?);
        }
        let seed = bytes(32);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok().context("no Ed25519 key of the seed")?;
        let public = pair.public_key().as_ref();
        keys.push(SecretKey::from_ed25519_reference(&[public, &seed, public].concat())?);
        keys.push(SecretKey::from_sec1_der(&sec1(&bytes(48), &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]))?);
        let pem = include_str!("../../../fixtures/keys/rsaroot.key");
        let rsa: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        keys.push(SecretKey::from_pkcs8_der(&STANDARD.decode(rsa)?)?);
        Ok(Self(keys))
    }

    fn key(&self, number: u8) -> anyhow::Result<&SecretKey> {
        self.0.get(usize::from(number)).context("no such key in the pool")
    }
}

fn sec1(scalar: &[u8], oid: &[u8]) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let parameters = [&[0xa0, short(oid.len())], oid].concat();
    let inner = [&[0x02, 0x01, 0x01, 0x04, short(scalar.len())], scalar, &parameters].concat();
    [&[0x30, short(inner.len())], inner.as_slice()].concat()
}

/// What signs under one name.
struct Pair {
    secret: Option<SecretKey>,
    public: PublicKey,
}

/// The people's keys in one repository.
pub(crate) struct Keys {
    pool: Arc<Pool>,
    gun: Gun,
    now: UtcTime,
    certified: Mutex<BTreeMap<KeyName, Arc<Pair>>>,
}

impl Keys {
    pub(crate) fn new(pool: &Arc<Pool>, gun: &str, now: UtcTime) -> anyhow::Result<Self> {
        Ok(Self { pool: pool.clone(), gun: Gun::parse(gun)?, now, certified: Mutex::default() })
    }

    /// The public half of a key of people.
    pub(crate) fn public(&self, name: KeyName) -> anyhow::Result<PublicKey> {
        match name {
            KeyName::Client(number) => Ok(self.pool.key(number)?.public().clone()),
            KeyName::Certified(..) => Ok(self.certified(name)?.public.clone()),
            KeyName::Server(..) => anyhow::bail!("{name:?} is the server's"),
        }
    }

    /// An entry of `signatures` over `message`.
    pub(crate) fn signature(&self, name: KeyName, message: &[u8]) -> anyhow::Result<Value> {
        let rng = SystemRandom::new();
        let signature = match name {
            KeyName::Client(number) => self.pool.key(number)?.signature(message, &rng)?,
            KeyName::Certified(number, _) => {
                let pair = self.certified(name)?;
                let key = match &pair.secret {
                    Some(own) => own,
                    None => self.pool.key(number)?,
                };
                CertifiedKey::new(key, pair.public.clone())?.signature(message, &rng)?
            }
            KeyName::Server(..) => anyhow::bail!("{name:?} is the server's"),
        };
        let (id, method) = (signature.key_id.as_str(), signature.method.name());
        Ok(json!({"keyid": id, "method": method, "sig": STANDARD.encode(&signature.bytes)}))
    }

    fn certified(&self, name: KeyName) -> anyhow::Result<Arc<Pair>> {
        let KeyName::Certified(number, kind) = name else { anyhow::bail!("{name:?} has no certificate") };
        let mut made = self.certified.lock().ok().context("a worker broke off")?;
        if let Some(pair) = made.get(&name) {
            return Ok(pair.clone());
        }
        let rng = SystemRandom::new();
        let issue = |gun: &Gun, now: UtcTime| {
            let public = self_signed_root_certificate(self.pool.key(number)?, gun, now, &rng)?;
            anyhow::Ok(Pair { secret: None, public })
        };
        let pair = match kind {
            Certificate::Good => issue(&self.gun, self.now)?,
            Certificate::ForeignName => issue(&Gun::parse("example.com/other")?, self.now)?,
            Certificate::Expired => issue(&self.gun, UtcTime::parse("2010-11-21T21:05:00Z")?)?,
            Certificate::Authority => authority(&self.gun)?,
        };
        let pair = Arc::new(pair);
        made.insert(name, pair.clone());
        Ok(pair)
    }
}

/// A certificate that may sign others; its key is a new one.
fn authority(gun: &Gun) -> anyhow::Result<Pair> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, gun.as_str());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key)?;
    let secret = SecretKey::from_pkcs8_der(&key.serialize_der())?;
    let public = PublicKey::new(KeyType::EcdsaX509, x509::pem_text(&[certificate.der().as_ref()]));
    Ok(Pair { secret: Some(secret), public })
}

/// A key as documents list it.
pub(crate) fn key_object(key: &PublicKey) -> Value {
    let public = STANDARD.encode(key.public_bytes());
    json!({"keytype": key.key_type().name(), "keyval": {"private": null, "public": public}})
}
