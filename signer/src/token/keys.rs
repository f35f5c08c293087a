//! Key pairs on a token: made so that the private half never leaves, signed with, listed and destroyed.

use std::ffi::c_ulong;

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Ulong;
use ring::digest::{SHA256, digest};
use tuf_schema::key::{Curve, KeyShape, PublicKey};
use tuf_schema::sign::RawSignature;
use tuf_schema::signature::{Signature, SignatureMethod};

use super::Token;
use super::failure::{TokenError, Trouble};
use super::kind::{P256, P384};
use super::object::ObjectId;
use super::session::Open;
use crate::canary;

/// `edwards25519` as a PrintableString (PKCS #11 3.0, 2.3.10), which SoftHSM and most tokens take.
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";
/// 65537.
const PUBLIC_EXPONENT: &[u8] = &[1, 0, 1];
/// The length of the salt in the contract's PSS.
const SALT_BYTES: c_ulong = 32;

/// A key pair as it stands on a token.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Which object.
    pub(crate) id: ObjectId,
    /// Its label, as far as it is text.
    pub(crate) label: String,
    /// The public half; nothing where the token does not show one that is understood.
    pub(crate) public: Option<PublicKey>,
}

impl Token {
    /// Makes a key pair whose private half is sensitive and cannot be extracted, and has it sign once.
    pub(crate) async fn make(&self, shape: KeyShape, id: ObjectId, label: String) -> Result<PublicKey, TokenError> {
        self.ask(move |open| {
            // a try before this one may have made it
            destroy(open, &id)?;
            let made = make(open, shape, &id, &label).and_then(|public| {
                sign_checked(open, &id, &public, canary::MESSAGE)?
                    .ok_or(Trouble::Unfit("its signature is not its public key's"))?;
                Ok(public)
            });
            if made.is_err() {
                // the first error counts
                let _ = destroy(open, &id);
            }
            made
        })
        .await
    }

    /// Signs `message` by the method of the key's type. Nothing if what the token gives is no signature of `public`.
    pub(crate) async fn sign(
        &self,
        id: ObjectId,
        public: PublicKey,
        message: Vec<u8>,
    ) -> Result<Option<RawSignature>, TokenError> {
        self.ask(move |open| sign_checked(open, &id, &public, &message)).await
    }

    /// Whether the private half of `public` is there and signs.
    pub(crate) async fn prove(&self, id: ObjectId, public: PublicKey) -> Result<bool, TokenError> {
        let signed = self.ask(move |open| sign_checked(open, &id, &public, canary::MESSAGE)).await;
        signed.map(|signature| signature.is_some())
    }

    /// Destroys both halves, unless another key has the same id. Nothing happens if they are not there.
    pub(crate) async fn destroy(&self, id: ObjectId) -> Result<(), TokenError> {
        self.ask(move |open| destroy(open, &id)).await
    }

    /// Every key pair on the token, also those that others made.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, TokenError> {
        self.ask(list).await
    }
}

pub(super) fn make(open: &Open, shape: KeyShape, id: &ObjectId, label: &str) -> Result<PublicKey, Trouble> {
    let (mechanism, mut public) = match shape {
        KeyShape::Ecdsa(Curve::P256) => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P256.to_vec())]),
        KeyShape::Ecdsa(Curve::P384) => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P384.to_vec())]),
        KeyShape::Ecdsa(Curve::P521) => return Err(Trouble::Unfit("keys on P-521 are not made")),
        KeyShape::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, vec![Attribute::EcParams(EDWARDS25519.to_vec())]),
        KeyShape::Rsa { bits } => {
            let bits = Ulong::try_from(bits).map_err(Trouble::from)?;
            let exponent = Attribute::PublicExponent(PUBLIC_EXPONENT.to_vec());
            (Mechanism::RsaPkcsKeyPairGen, vec![Attribute::ModulusBits(bits), exponent])
        }
    };
    let of_both =
        [Attribute::Token(true), Attribute::Id(id.bytes().to_vec()), Attribute::Label(label.as_bytes().to_vec())];
    public.extend([Attribute::Verify(true), Attribute::Private(false)]);
    public.extend(of_both.iter().cloned());
    let mut private = vec![
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    private.extend(match shape {
        KeyShape::Rsa { .. } => [Attribute::Decrypt(false), Attribute::Unwrap(false)].to_vec(),
        KeyShape::Ecdsa(_) | KeyShape::Ed25519 => [Attribute::Derive(false)].to_vec(),
    });
    private.extend(of_both);
    let (public, private) = open.session.generate_key_pair(&mechanism, &public, &private)?;
    stays(open, private)?;
    let made = public_key(open, public)?.ok_or(Trouble::Unfit("its public half is not understood"))?;
    if made.shape() == Some(shape) { Ok(made) } else { Err(Trouble::Unfit("it is of another kind than was asked for")) }
}

/// Whether the token says of a private half that it cannot leave.
fn stays(open: &Open, private: ObjectHandle) -> Result<(), Trouble> {
    let asked = [AttributeType::Sensitive, AttributeType::Extractable];
    let told = open.session.get_attributes(private, &asked)?;
    if told.contains(&Attribute::Sensitive(true)) && told.contains(&Attribute::Extractable(false)) {
        Ok(())
    } else {
        Err(Trouble::Unfit("its private half could be extracted"))
    }
}

fn public_key(open: &Open, public: ObjectHandle) -> Result<Option<PublicKey>, Trouble> {
    let asked = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut kind, mut params, mut point, mut modulus, mut exponent) = (None, None, None, None, None);
    for attribute in open.session.get_attributes(public, &asked)? {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::EcParams(found) => params = Some(found),
            Attribute::EcPoint(found) => point = Some(found),
            Attribute::Modulus(found) => modulus = Some(found),
            Attribute::PublicExponent(found) => exponent = Some(found),
            _ => {}
        }
    }
    Ok(match (kind, params, point, modulus, exponent) {
        (Some(KeyType::EC), Some(params), Some(point), _, _) => {
            let curve = match params.as_slice() {
                P256 => Some(Curve::P256),
                P384 => Some(Curve::P384),
                _ => None,
            };
            curve.and_then(|curve| {
                PublicKey::of_point(curve, unwrapped(&point)).or_else(|| PublicKey::of_point(curve, &point))
            })
        }
        (Some(KeyType::EC_EDWARDS), _, Some(point), _, _) => {
            let key = PublicKey::new(tuf_schema::KeyType::Ed25519, unwrapped(&point).to_vec());
            key.material().is_some().then_some(key)
        }
        (Some(KeyType::RSA), _, _, Some(modulus), Some(exponent)) => PublicKey::of_rsa(&modulus, &exponent),
        _ => None,
    })
}

/// The content of an OCTET STRING below 128 bytes, which PKCS #11 puts around points and some tokens leave out.
fn unwrapped(point: &[u8]) -> &[u8] {
    match point {
        [0x04, length, content @ ..] if usize::from(*length) == content.len() => content,
        _ => point,
    }
}

fn sign_checked(
    open: &mut Open,
    id: &ObjectId,
    public: &PublicKey,
    message: &[u8],
) -> Result<Option<RawSignature>, Trouble> {
    let shape = public.shape().ok_or(Trouble::Unfit("its public half is not understood"))?;
    let key = open.private_key(id, shape)?;
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
    let bytes = open.session.sign(&mechanism, key, signed)?;
    let signature = Signature { key_id: public.id().clone(), method, bytes };
    let is_right = public.verifies(message, &signature);
    let Signature { method, bytes, .. } = signature;
    Ok(is_right.then_some(RawSignature { method, bytes }))
}

fn destroy(open: &mut Open, id: &ObjectId) -> Result<(), Trouble> {
    open.forget(id);
    let mut halves = Vec::new();
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        let found = open.find(&[Attribute::Class(class), Attribute::Id(id.bytes().to_vec())])?;
        if found.len() > 1 {
            return Err(Trouble::SeveralObjects { id: id.to_string(), found: found.len() });
        }
        halves.extend(found);
    }
    halves.into_iter().try_for_each(|half| open.session.destroy_object(half)).map_err(Trouble::from)
}

fn list(open: &mut Open) -> Result<Vec<Listed>, Trouble> {
    let mut listed = Vec::new();
    for private in open.find(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
        let (mut id, mut label) = (Vec::new(), String::new());
        for attribute in open.session.get_attributes(private, &[AttributeType::Id, AttributeType::Label])? {
            match attribute {
                Attribute::Id(found) => id = found,
                Attribute::Label(found) => label = String::from_utf8_lossy(&found).into_owned(),
                _ => {}
            }
        }
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id.clone())];
        let public = match open.find(&template)?.into_iter().next() {
            Some(public) => public_key(open, public)?,
            None => None,
        };
        listed.push(Listed { id: ObjectId::from_bytes(id), label, public });
    }
    Ok(listed)
}
