//! What a key signs to show that it signs.

/// Signed by a key that is tried, for nobody: the signature is held against the public half and dropped.
///
/// It can never count for a document, whoever gets hold of the signature: what is verified of a document are the bytes of a
/// JSON object, which begin with a brace, and these bytes are no JSON at all. The program's name keeps it apart from what
/// anything else has signed, and it is always the same, so that nobody can choose what is signed.
pub(crate) const MESSAGE: &[u8] = b"bulla-signer: does this key sign?";

#[cfg(test)]
mod tests {
    use tuf_schema::{Dialect, Envelope};

    use super::*;

    #[test]
    fn what_a_canary_signs_is_no_document_and_no_json() {
        serde_json::from_slice::<serde_json::Value>(MESSAGE).unwrap_err();
        assert!(Envelope::parse(Dialect::Notary, MESSAGE.into()).is_err());
    }
}
