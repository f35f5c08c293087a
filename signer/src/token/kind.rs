//! What a token says of a private half: of what kind it is, and whether logging in once is enough for it. That is asked
//! before it is had to sign.

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::Session;
use tuf_schema::key::{Curve, KeyShape};

/// Object identifiers in DER, as `CKA_EC_PARAMS` has them (RFC 5480).
pub(super) const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

/// Whether a private half is of the kind that its public half says. A module that is asked for a signature of another kind
/// may fail in any way: SoftHSM 2.6 ends the process.
pub(super) fn is_of_kind(session: &Session, private: ObjectHandle, shape: KeyShape) -> Result<bool, Error> {
    let told = session.get_attributes(private, &[AttributeType::KeyType, AttributeType::EcParams])?;
    Ok(fits(&told, shape))
}

/// Whether a private half signs only after its PIN was given for that very signature. It answers as if the login were lost,
/// which no other session mends.
pub(super) fn always_asks(session: &Session, private: ObjectHandle) -> Result<bool, Error> {
    let told = session.get_attributes(private, &[AttributeType::AlwaysAuthenticate])?;
    Ok(told.contains(&Attribute::AlwaysAuthenticate(true)))
}

fn fits(told: &[Attribute], shape: KeyShape) -> bool {
    let is = |kind| told.contains(&Attribute::KeyType(kind));
    match shape {
        KeyShape::Ecdsa(curve) => is(KeyType::EC) && may_be_on(told, curve),
        KeyShape::Ed25519 => is(KeyType::EC_EDWARDS),
        KeyShape::Rsa { .. } => is(KeyType::RSA),
    }
}

/// Not every token tells the curve of a private half; it signs the same digest on any.
fn may_be_on(told: &[Attribute], curve: Curve) -> bool {
    let expected = match curve {
        Curve::P256 => P256,
        Curve::P384 => P384,
        // none is made here
        Curve::P521 => return false,
    };
    told.iter().all(|attribute| match attribute {
        Attribute::EcParams(params) => params == expected,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [KeyShape; 5] = [
        KeyShape::Ecdsa(Curve::P256),
        KeyShape::Ecdsa(Curve::P384),
        KeyShape::Ecdsa(Curve::P521),
        KeyShape::Ed25519,
        KeyShape::Rsa { bits: 2048 },
    ];

    fn fitting(told: &[Attribute]) -> Vec<KeyShape> {
        SHAPES.into_iter().filter(|shape| fits(told, *shape)).collect()
    }

    #[test]
    fn a_private_half_is_of_the_kind_and_curve_that_its_token_tells() {
        let on = |params: &[u8]| vec![Attribute::KeyType(KeyType::EC), Attribute::EcParams(params.to_vec())];
        assert_eq!(fitting(&on(P256)), [KeyShape::Ecdsa(Curve::P256)]);
        assert_eq!(fitting(&on(P384)), [KeyShape::Ecdsa(Curve::P384)]);
        assert_eq!(fitting(&on(b"another curve")), []);
        let edwards = [Attribute::KeyType(KeyType::EC_EDWARDS), Attribute::EcParams(b"edwards25519".to_vec())];
        assert_eq!(fitting(&edwards), [KeyShape::Ed25519]);
        assert_eq!(fitting(&[Attribute::KeyType(KeyType::RSA)]), [KeyShape::Rsa { bits: 2048 }]);
    }

    #[test]
    fn a_curve_that_is_not_told_may_be_either_and_a_kind_that_is_not_told_is_none() {
        let either = [KeyShape::Ecdsa(Curve::P256), KeyShape::Ecdsa(Curve::P384)];
        assert_eq!(fitting(&[Attribute::KeyType(KeyType::EC)]), either);
        assert_eq!(fitting(&[]), []);
        assert_eq!(fitting(&[Attribute::EcParams(P256.to_vec())]), []);
        assert_eq!(fitting(&[Attribute::KeyType(KeyType::EC_MONTGOMERY)]), []);
    }
}
