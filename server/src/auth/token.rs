//! A bearer token as it came (RFC 7515, compact form), and its way to [`Claims`] through the bundle.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tuf_schema::UtcTime;

use super::bundle::RootBundle;
use super::claims::Claims;
use super::key::{TokenAlgorithm, TokenKey};

/// The most certificates looked at in one token.
const MAX_CHAIN: usize = 10;

/// Why a token counts for nothing. Holds nothing of the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than the limit.
    #[error("it has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A part cannot be read.
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
    /// The header asks for an extension to be understood (RFC 7515, 4.1.11).
    #[error("its header has critical extensions")]
    CriticalExtension,
    /// The algorithm is not one of those accepted.
    #[error("its algorithm is not accepted")]
    AlgorithmNotAccepted,
    /// The header names no key.
    #[error("it names no key")]
    NamesNoKey,
    /// The key is not in the bundle.
    #[error("its key is not in the root bundle")]
    UnknownKey,
    /// The certificate has ended or not begun.
    #[error("its certificate is out of its time")]
    CertificateOutOfTime,
    /// The certificate neither stands in the bundle nor leads to it.
    #[error("its certificate does not lead to the root bundle")]
    UntrustedCertificate,
    /// The key is not for that algorithm.
    #[error("its algorithm does not fit its key")]
    AlgorithmOfOtherKey,
    /// The signature does not verify.
    #[error("its signature does not verify")]
    BadSignature,
    /// Made by somebody else.
    #[error("its issuer is another")]
    ForeignIssuer,
    /// Made for somebody else.
    #[error("its audience is another")]
    OtherAudience,
    /// It would count for ever.
    #[error("it has no end")]
    WithoutEnd,
    /// It has ended.
    #[error("it has expired")]
    Expired,
    /// It has not begun.
    #[error("it is not valid yet")]
    NotYetValid,
}

/// A token whose signature has not been looked at.
pub(super) struct SignedToken<'a> {
    header: Header,
    claims: Vec<u8>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    x5c: Option<Vec<String>>,
    jwk: Option<Jwk>,
    crit: Option<IgnoredAny>,
}

/// The members of a public JWK that say which key it is (RFC 7518, 6).
#[derive(Deserialize)]
struct Jwk {
    x5c: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl<'a> SignedToken<'a> {
    /// Takes the token apart: three parts in base64url, the first a JSON header.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, TokenError> {
        let malformed = TokenError::Malformed;
        let last_dot = text.iter().rposition(|byte| *byte == b'.').ok_or(malformed("form"))?;
        let (signed, signature) = text.split_at_checked(last_dot).ok_or(malformed("form"))?;
        let first_dot = signed.iter().position(|byte| *byte == b'.').ok_or(malformed("form"))?;
        let (header, claims) = signed.split_at_checked(first_dot).ok_or(malformed("form"))?;
        let header = decode(header).ok_or(malformed("header"))?;
        // a fourth part leaves a dot in the claims, which base64 has not
        let claims = claims.get(1..).and_then(decode).ok_or(malformed("claims"))?;
        let signature = signature.get(1..).and_then(decode).ok_or(malformed("signature"))?;
        if signature.is_empty() {
            return Err(malformed("signature"));
        }
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed("header"))?;
        Ok(Self { header, claims, signed, signature })
    }

    /// Verifies the signature by a key that leads to `bundle`, and only then reads the claims.
    pub(super) fn verify(self, bundle: &RootBundle, now: UtcTime) -> Result<Claims, TokenError> {
        if self.header.crit.is_some() {
            return Err(TokenError::CriticalExtension);
        }
        let algorithm = TokenAlgorithm::parse(&self.header.alg).ok_or(TokenError::AlgorithmNotAccepted)?;
        let key = self.header.key(bundle, now)?;
        if algorithm.key_kind() != key.kind() {
            return Err(TokenError::AlgorithmOfOtherKey);
        }
        if !key.signed_token(algorithm, self.signed, &self.signature) {
            return Err(TokenError::BadSignature);
        }
        serde_json::from_slice(&self.claims).map_err(|_| TokenError::Malformed("claims"))
    }
}

impl Header {
    /// The key the token names, by the first of `x5c`, `jwk` and `kid` that is there. Always one of the bundle, or
    /// of a certificate that leads to it: never one that the token merely brings along.
    fn key(&self, bundle: &RootBundle, now: UtcTime) -> Result<TokenKey, TokenError> {
        if let Some(chain) = self.x5c.as_deref().filter(|chain| !chain.is_empty()) {
            return key_of_chain(chain, bundle, now);
        }
        if let Some(jwk) = &self.jwk {
            if let Some(chain) = jwk.x5c.as_deref().filter(|chain| !chain.is_empty()) {
                return key_of_chain(chain, bundle, now);
            }
            return bundle.keys().find(|key| jwk.is(key)).cloned().ok_or(TokenError::UnknownKey);
        }
        match self.kid.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => bundle.key_by_id(id).cloned().ok_or(TokenError::UnknownKey),
            None => Err(TokenError::NamesNoKey),
        }
    }
}

impl Jwk {
    fn is(&self, key: &TokenKey) -> bool {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| decode(text.as_bytes()));
        match (number(&self.x), number(&self.y), number(&self.n), number(&self.e)) {
            (Some(x), Some(y), None, None) => key.is_point(&x, &y),
            (None, None, Some(n), Some(e)) => key.is_modulus(&n, &e),
            _ => false,
        }
    }
}

fn key_of_chain(chain: &[String], bundle: &RootBundle, now: UtcTime) -> Result<TokenKey, TokenError> {
    if chain.len() > MAX_CHAIN {
        return Err(TokenError::Malformed("x5c"));
    }
    let certificate = |text: &String| STANDARD.decode(text).map(CertificateDer::from);
    let chain: Result<Vec<_>, _> = chain.iter().map(certificate).collect();
    bundle.key_of_chain(&chain.map_err(|_| TokenError::Malformed("x5c"))?, now)
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
