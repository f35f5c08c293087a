//! Signatures as documents carry them.

use std::fmt;

use crate::key::KeyId;

/// One entry of a document's `signatures`. Nothing in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key that is said to have signed.
    pub key_id: KeyId,
    /// How it is said to have signed.
    pub method: SignatureMethod,
    /// The signature, decoded from base64.
    pub bytes: Vec<u8>,
}

/// How a signature was made. Every method but Ed25519's hashes the message with SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureMethod {
    /// `ecdsa`: r and s, big-endian, each as wide as the curve's field; SHA-256 on every curve.
    Ecdsa,
    /// `rsapss`: PSS with MGF1-SHA-256 and a salt of 32 bytes.
    RsaPss,
    /// `rsapkcs1v15`: accepted, never written by the reference.
    RsaPkcs1v15,
    /// `eddsa`: Ed25519 over the message itself.
    Eddsa,
    /// `pycrypto-pkcs#1 pss`: PSS by a key given as PEM text.
    PycryptoPss,
    /// A method this version does not know: such a signature is skipped, never fatal. The name is in lower case.
    Unknown(String),
}

impl SignatureMethod {
    /// The method that has this name; the reference lower-cases it first.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name.to_lowercase().as_str() {
            "ecdsa" => Self::Ecdsa,
            "rsapss" => Self::RsaPss,
            "rsapkcs1v15" => Self::RsaPkcs1v15,
            "eddsa" => Self::Eddsa,
            "pycrypto-pkcs#1 pss" => Self::PycryptoPss,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The name in metadata.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::RsaPss => "rsapss",
            Self::RsaPkcs1v15 => "rsapkcs1v15",
            Self::Eddsa => "eddsa",
            Self::PycryptoPss => "pycrypto-pkcs#1 pss",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for SignatureMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_are_read_in_any_case_and_written_in_lower_case() {
        for name in ["ecdsa", "rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss", "hmac"] {
            assert_eq!(SignatureMethod::parse(&name.to_uppercase()).name(), name);
        }
        assert_eq!(SignatureMethod::parse("ECDSA"), SignatureMethod::Ecdsa);
    }
}
