//! The reference's own exchanges, asked again: the same statuses and texts, but where its answer was a defect.

use std::path::Path;

use bulla_signer::grpc::proto;
use prost::Message as _;
use prost::bytes::{Buf, BufMut, Bytes};
use serde::Deserialize;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use crate::signer::{Client, Running};

#[derive(Deserialize)]
struct Capture {
    label: String,
    method: String,
    request_hex: String,
    response_hex: String,
    status: String,
    status_message: String,
}

/// Where we answer otherwise than the reference, and how.
const DIFFERENCES: [(&str, Code); 5] = [
    // no id means any key to the reference, or the end of its process
    ("GetKeyInfo empty message", Code::InvalidArgument),
    ("Sign without keyID", Code::InvalidArgument),
    // the reference signs whatever it is given
    ("Sign ecdsa", Code::PermissionDenied),
    ("Sign ed25519", Code::PermissionDenied),
    ("Sign empty content", Code::PermissionDenied),
];

fn captures() -> Vec<Capture> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/grpc/captures.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// `OK(0)` and the like.
fn code(text: &str) -> Code {
    let number = text.split(['(', ')']).nth(1).unwrap();
    Code::from_i32(number.parse().unwrap())
}

#[tokio::test]
async fn the_reference_s_requests_get_its_answers() {
    let signer = Running::start().await;
    let client = signer.client().await;
    // ids of the reference's keys, and of the keys made here in their place
    let mut ids: Vec<(String, String)> = Vec::new();
    let mut same = 0;
    for capture in captures() {
        let mut request = hex::decode(&capture.request_hex).unwrap();
        for (theirs, ours) in &ids {
            request = replace(&request, theirs.as_bytes(), ours.as_bytes());
        }
        let answer = call(&client, &capture.method, request).await;
        let (answered, text) = match &answer {
            Ok(_) => (Code::Ok, String::new()),
            Err(status) => (status.code(), status.message().to_owned()),
        };
        if capture.method.ends_with("/CreateKey")
            && let Ok(bytes) = &answer
        {
            let theirs = proto::PublicKey::decode(&*hex::decode(&capture.response_hex).unwrap()).unwrap();
            let ours = proto::PublicKey::decode(bytes.clone()).unwrap();
            assert_eq!(theirs.public_key.len(), ours.public_key.len(), "{}", capture.label);
            ids.push((crate::signer::id(&theirs).to_owned(), crate::signer::id(&ours).to_owned()));
        }
        match DIFFERENCES.iter().find(|(label, _)| capture.label.starts_with(label)) {
            Some((_, expected)) => assert_eq!(answered, *expected, "{}: {text}", capture.label),
            // what a library says of methods that there are not is nobody's contract
            None if code(&capture.status) == Code::Unimplemented => {
                assert_eq!(answered, Code::Unimplemented, "{}", capture.label);
                same += 1;
            }
            None => {
                let mut expected = capture.status_message.clone();
                for (theirs, ours) in &ids {
                    expected = expected.replace(theirs, ours);
                }
                assert_eq!((answered, text), (code(&capture.status), expected), "{}", capture.label);
                same += 1;
            }
        }
    }
    assert_eq!(same + DIFFERENCES.len(), captures().len(), "no difference is listed twice or for nothing");
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

pub(crate) async fn call(client: &Client, method: &str, request: Vec<u8>) -> Result<Bytes, Status> {
    let mut grpc = tonic::client::Grpc::new(client.channel.clone());
    grpc.ready().await.unwrap();
    let path = method.parse().unwrap();
    grpc.unary(Request::new(Bytes::from(request)), path, Raw).await.map(tonic::Response::into_inner)
}

/// Messages as the bytes they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
