//! A key on a token as something that signs. What it signs is checked with the public key before anybody sees it.

use std::ffi::c_ulong;
use std::fmt;
use std::sync::PoisonError;

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::types::Ulong;
use ring::digest::{SHA256, SHA384, digest};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use tuf_schema::PublicKey;
use tuf_schema::key::{Curve, KeyShape};
use tuf_schema::sign::{CertifyingKey, RawSignature, SignError, SigningKey};
use tuf_schema::signature::{Signature, SignatureMethod};

use super::TokenObject;
use super::error::TokenError;
use super::keys::{is_of_kind, private_half, stays};
use super::session::{SharedSession, Tokens, refused};
use crate::keys::{KeyringError, Passphrases};

/// The length of the salt in the contract's PSS.
const SALT_BYTES: c_ulong = 32;
/// The length of an uncompressed point of P-384, with which its SubjectPublicKeyInfo ends.
const P384_POINT_BYTES: usize = 97;

/// A key on a token, in a session that is logged in. It signs, and nothing of it is here.
pub struct TokenKey {
    public: PublicKey,
    object: TokenObject,
    session: SharedSession,
    handle: ObjectHandle,
}

impl TokenKey {
    /// The private half of `public` at its place.
    pub(in crate::keys) fn open(
        tokens: &mut Tokens,
        object: &TokenObject,
        public: PublicKey,
        passphrases: &Passphrases,
    ) -> Result<Self, KeyringError> {
        let session = tokens.signing(&object.token, passphrases)?;
        let handle = {
            let session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let handle = private_half(&session, object)?;
            let shape = public.shape().ok_or_else(|| unfit(object, "its public half is not understood"))?;
            if !is_of_kind(&session, handle, shape).map_err(|e| refused(&object.token, e))? {
                return Err(other_key(object).into());
            }
            handle
        };
        Ok(Self { public, object: object.clone(), session, handle })
    }

    /// Has the key sign something, to show that it is the private half of its public one.
    pub(in crate::keys) fn prove(&self, canary: &[u8]) -> Result<(), TokenError> {
        self.document(canary).map(|_| ())
    }

    /// Whether the token says that the key cannot leave it.
    pub(in crate::keys) fn stays(&self) -> Result<bool, TokenError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        stays(&session, self.handle).map_err(|e| refused(&self.object.token, e))
    }

    fn ask(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Vec<u8>, TokenError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.sign(mechanism, self.handle, data).map_err(|e| refused(&self.object.token, e))
    }

    fn document(&self, message: &[u8]) -> Result<RawSignature, TokenError> {
        let shape = self.public.shape().ok_or_else(|| unfit(&self.object, "its public half is not understood"))?;
        let digest = digest(&SHA256, message);
        let pss = || {
            let salt = Ulong::new(SALT_BYTES);
            PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: salt }
        };
        let (mechanism, signed, method) = match shape {
            KeyShape::Ecdsa(_) => (Mechanism::Ecdsa, digest.as_ref(), SignatureMethod::Ecdsa),
            KeyShape::Rsa { .. } => (Mechanism::RsaPkcsPss(pss()), digest.as_ref(), SignatureMethod::RsaPss),
            KeyShape::Ed25519 => {
                let scheme = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                (Mechanism::Eddsa(scheme), message, SignatureMethod::Eddsa)
            }
        };
        let bytes = self.ask(&mechanism, signed)?;
        self.checked(message, RawSignature { method, bytes })
    }

    fn certificate(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        match self.public.shape() {
            Some(KeyShape::Ecdsa(Curve::P256)) => Ok(self.document(message)?.bytes),
            Some(KeyShape::Ecdsa(Curve::P384)) => {
                let bytes = self.ask(&Mechanism::Ecdsa, digest(&SHA384, message).as_ref())?;
                let spki = self.public.public_bytes();
                let point = spki.get(spki.len().saturating_sub(P384_POINT_BYTES)..).unwrap_or_default();
                let verifies = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, &bytes);
                if verifies.is_ok() { Ok(bytes) } else { Err(other_key(&self.object)) }
            }
            Some(KeyShape::Rsa { .. }) => {
                let bytes = self.ask(&Mechanism::Sha256RsaPkcs, message)?;
                Ok(self.checked(message, RawSignature { method: SignatureMethod::RsaPkcs1v15, bytes })?.bytes)
            }
            Some(KeyShape::Ecdsa(Curve::P521) | KeyShape::Ed25519) | None => {
                Err(unfit(&self.object, "keys of its kind cannot have a root certificate"))
            }
        }
    }

    fn checked(&self, message: &[u8], raw: RawSignature) -> Result<RawSignature, TokenError> {
        let RawSignature { method, bytes } = raw;
        let signature = Signature { key_id: self.public.id().clone(), method, bytes };
        if !self.public.verifies(message, &signature) {
            return Err(other_key(&self.object));
        }
        let Signature { method, bytes, .. } = signature;
        Ok(RawSignature { method, bytes })
    }
}

fn other_key(object: &TokenObject) -> TokenError {
    TokenError::OtherKey { token: object.token.clone(), object: object.id.clone() }
}

fn unfit(object: &TokenObject, fact: &'static str) -> TokenError {
    TokenError::Unfit { token: object.token.clone(), object: object.id.clone(), fact }
}

impl SigningKey for TokenKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8], _: &dyn SecureRandom) -> Result<RawSignature, SignError> {
        self.document(message).map_err(|e| SignError::Unreachable(e.to_string()))
    }
}

impl CertifyingKey for TokenKey {
    fn sign_certificate(&self, message: &[u8], _: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        self.certificate(message).map_err(|e| SignError::Unreachable(e.to_string()))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", self.public.id()).field("object", &self.object).finish_non_exhaustive()
    }
}
