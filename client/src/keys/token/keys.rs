//! Key pairs on a token: made so that the private half never leaves, found, read and destroyed.

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use tuf_schema::key::{Curve, KeyShape, PublicKey};

use super::TokenObject;
use super::error::TokenError;
use super::session::{Tokens, refused};

/// Object identifiers in DER, as `CKA_EC_PARAMS` has them (RFC 5480).
pub(super) const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// `edwards25519` as a PrintableString (PKCS #11 3.0, 2.3.10), which SoftHSM and most tokens take.
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";
/// 65537.
const PUBLIC_EXPONENT: &[u8] = &[1, 0, 1];

/// The private half of a key pair, which must be the only one of its id.
pub(super) fn private_half(session: &Session, object: &TokenObject) -> Result<ObjectHandle, TokenError> {
    let TokenObject { token, id } = object;
    let unfit = |fact| TokenError::Unfit { token: token.clone(), object: id.clone(), fact };
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.bytes().to_vec())];
    let found = session.find_objects(&template).map_err(|e| refused(token, e))?;
    let handle = match found.as_slice() {
        [] => return Err(TokenError::NoObject { token: token.clone(), object: id.clone() }),
        [handle] => *handle,
        _ => return Err(unfit("several private keys have its id")),
    };
    let told = session.get_attributes(handle, &[AttributeType::AlwaysAuthenticate]).map_err(|e| refused(token, e))?;
    if told.contains(&Attribute::AlwaysAuthenticate(true)) {
        return Err(unfit("the token asks for its PIN at every signature, which is not supported; use another slot"));
    }
    Ok(handle)
}

/// Whether a private half is of the kind that its public half says. A module that is asked for a signature of another kind
/// may fail in any way: SoftHSM 2.6 ends the process.
pub(super) fn is_of_kind(session: &Session, private: ObjectHandle, shape: KeyShape) -> Result<bool, Error> {
    let told = session.get_attributes(private, &[AttributeType::KeyType])?;
    let is = |kind| told.contains(&Attribute::KeyType(kind));
    let on_curve = |params: &[u8]| {
        let told = session.get_attributes(private, &[AttributeType::EcParams])?;
        // Not every token tells the curve of a private half; it signs the same digest on any.
        Ok(told.is_empty() || told.contains(&Attribute::EcParams(params.to_vec())))
    };
    match shape {
        KeyShape::Ecdsa(curve) if is(KeyType::EC) => match curve {
            Curve::P256 => on_curve(P256),
            Curve::P384 => on_curve(P384),
            Curve::P521 => Ok(false),
        },
        KeyShape::Ecdsa(_) => Ok(false),
        KeyShape::Ed25519 => Ok(is(KeyType::EC_EDWARDS)),
        KeyShape::Rsa { .. } => Ok(is(KeyType::RSA)),
    }
}

/// Whether the token says of a private half that it cannot leave.
pub(super) fn stays(session: &Session, private: ObjectHandle) -> Result<bool, Error> {
    let told = session.get_attributes(private, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    Ok(told.contains(&Attribute::Sensitive(true)) && told.contains(&Attribute::Extractable(false)))
}

impl Tokens {
    /// The public half of a key pair. No PIN is needed where the token shows it to everybody, as most do.
    pub(in crate::keys) fn public_half(&self, object: &TokenObject) -> Result<PublicKey, TokenError> {
        let TokenObject { token, id } = object;
        let failed = |e| refused(token, e);
        let found = self.find(token)?;
        let session = found.library.open_ro_session(found.slot).map_err(failed)?;
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id.bytes().to_vec())];
        let public = session.find_objects(&template).map_err(failed)?;
        let unfit = |fact| TokenError::Unfit { token: token.clone(), object: id.clone(), fact };
        let handle = match public.as_slice() {
            [] => return Err(TokenError::NoObject { token: token.clone(), object: id.clone() }),
            [handle] => *handle,
            _ => return Err(unfit("several public keys have its id")),
        };
        public_key(&session, handle).map_err(failed)?.ok_or_else(|| unfit("its public half is not understood"))
    }
}

/// Makes a key pair whose private half is sensitive and cannot be extracted.
pub(in crate::keys) fn make(
    session: &Session,
    object: &TokenObject,
    shape: KeyShape,
    label: &str,
) -> Result<PublicKey, TokenError> {
    let TokenObject { token, id } = object;
    let unfit = |fact| TokenError::Unfit { token: token.clone(), object: id.clone(), fact };
    let failed = |e| refused(token, e);
    let (mechanism, mut public) = match shape {
        KeyShape::Ecdsa(Curve::P256) => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P256.to_vec())]),
        KeyShape::Ecdsa(Curve::P384) => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P384.to_vec())]),
        KeyShape::Ecdsa(Curve::P521) => return Err(unfit("keys on P-521 are not made on tokens")),
        KeyShape::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, vec![Attribute::EcParams(EDWARDS25519.to_vec())]),
        KeyShape::Rsa { bits } => {
            let bits = Ulong::try_from(bits).map_err(failed)?;
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
    let (public, private) = session.generate_key_pair(&mechanism, &public, &private).map_err(failed)?;
    if !stays(session, private).map_err(failed)? {
        return Err(unfit("its private half could be extracted"));
    }
    let made =
        public_key(session, public).map_err(failed)?.ok_or_else(|| unfit("its public half is not understood"))?;
    if made.shape() == Some(shape) { Ok(made) } else { Err(unfit("it is of another kind than was asked for")) }
}

/// Destroys both halves, unless another key has the same id. Nothing happens if they are not there.
pub(in crate::keys) fn destroy(session: &Session, object: &TokenObject) -> Result<(), TokenError> {
    let TokenObject { token, id } = object;
    let failed = |e| refused(token, e);
    let mut halves = Vec::new();
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        let template = [Attribute::Class(class), Attribute::Id(id.bytes().to_vec())];
        let found = session.find_objects(&template).map_err(failed)?;
        if found.len() > 1 {
            let fact = "several keys have its id; destroy it with the maker's tool";
            return Err(TokenError::Unfit { token: token.clone(), object: id.clone(), fact });
        }
        halves.extend(found);
    }
    halves.into_iter().try_for_each(|half| session.destroy_object(half)).map_err(failed)
}

/// A public half as its attributes tell it.
pub(super) fn public_key(session: &Session, public: ObjectHandle) -> Result<Option<PublicKey>, Error> {
    let asked = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut kind, mut params, mut point, mut modulus, mut exponent) = (None, None, None, None, None);
    for attribute in session.get_attributes(public, &asked)? {
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
