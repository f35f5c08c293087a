//! What is to be signed as a target: a file's length and hashes, and custom data in the one form that can be signed.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ring::digest::{Context, SHA256, SHA512};
use tuf_schema::Digests;
use tuf_schema::digest::HashAlgorithm;
use tuf_schema::json::{JsonError, Value};
use tuf_schema::model::Target;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The target that `content` is, with both hashes, as the reference adds a file.
///
/// # Errors
/// Those of reading.
pub fn measure(content: &mut dyn Read) -> io::Result<Target> {
    let (mut sha256, mut sha512) = (Context::new(&SHA256), Context::new(&SHA512));
    let mut chunk = vec![0_u8; CHUNK];
    let mut length = 0_u64;
    loop {
        let read = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        sha256.update(read);
        sha512.update(read);
        length = length.saturating_add(read.len() as u64);
    }
    let digests = [(HashAlgorithm::Sha256, sha256), (HashAlgorithm::Sha512, sha512)];
    let digest =
        |(name, context): (HashAlgorithm, Context)| (name.name().to_owned(), context.finish().as_ref().to_vec());
    let digests: BTreeMap<_, _> = digests.into_iter().map(digest).collect();
    Ok(Target { length, digests: Digests::new(digests), custom: None })
}

/// Custom data of a target. Members are sorted and white space is dropped when it is written, so whatever passes here can
/// be signed; the reference stages unsorted members and then never publishes them.
///
/// # Errors
/// [`JsonError`] for what is no JSON, and for what has no canonical form: fractions, doubled members.
pub fn custom(bytes: &[u8]) -> Result<Option<Value>, JsonError> {
    let value = tuf_schema::json::parse(bytes.trim_ascii())?;
    // The reference drops a null when it reads it, and then the signature is not over what is left.
    Ok(if value.is_null() { None } else { Some(value) })
}

#[cfg(test)]
mod tests {
    use tuf_schema::json::canonical;

    use super::*;

    #[test]
    fn a_file_has_the_length_and_both_hashes_of_its_content() {
        for length in [0, 6, CHUNK - 1, CHUNK, CHUNK + 1] {
            let content = vec![7_u8; length];
            let measured = measure(&mut content.as_slice()).unwrap();
            assert_eq!(measured.length, length as u64);
            assert_eq!(measured.digests, Digests::of(&content));
        }
    }

    #[test]
    fn custom_data_is_taken_in_any_order_and_written_in_one() {
        let unsorted = custom(b" {\"b\":1, \"a\":[1,2,{\"z\":1,\"y\":null}]}\n").unwrap();
        assert_eq!(canonical(&unsorted.unwrap()).unwrap(), br#"{"a":[1,2,{"y":null,"z":1}],"b":1}"#);
    }

    #[test]
    fn null_is_no_custom_data() {
        assert_eq!(custom(b"null").unwrap(), None);
    }

    #[test]
    fn custom_data_that_could_never_be_signed_is_refused() {
        for text in ["not json", "", "{\"a\":1}{}", "{\"a\":1.5}", "{\"a\":1,\"a\":2}", "\"\u{1}\""] {
            assert!(custom(text.as_bytes()).is_err(), "{text}");
        }
    }
}
