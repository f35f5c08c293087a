//! Requests that end, or would end, the reference's signer: each is refused, and the process goes on.

use prost::Message as _;
use prost::bytes::Bytes;
use tonic::Code;

use crate::captures::call;
use crate::process::Started;
use crate::signer::{Client, Place, Running, id, refusal};

const GUN: &str = "registry.test/app";
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

const SIGN: &str = "/proto.Signer/Sign";
const CREATE: &str = "/proto.KeyManagement/CreateKey";
const DELETE: &str = "/proto.KeyManagement/DeleteKey";
const DESCRIBE: &str = "/proto.KeyManagement/GetKeyInfo";

/// A field of a message: its number, and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut message);
    message.extend_from_slice(bytes);
    message
}

#[tokio::test]
async fn no_request_ends_the_process_or_a_key() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let key = client.create(GUN, "timestamp").await.unwrap();
    let signs = async |client: &Client| client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();

    let named = field(1, &field(1, id(&key).as_bytes()));
    let long = vec![b'a'; 64 << 20];
    let requests = [
        ("nothing at all", SIGN, vec![], Code::InvalidArgument),
        ("no key id", SIGN, field(2, b"x"), Code::InvalidArgument),
        ("a key id without its id", SIGN, [field(1, &[]), field(2, b"x")].concat(), Code::InvalidArgument),
        ("an empty key id", SIGN, [field(1, &field(1, b"")), field(2, b"x")].concat(), Code::InvalidArgument),
        ("a key id of 256 bytes", SIGN, field(1, &field(1, &[b'a'; 256])), Code::InvalidArgument),
        ("no content", SIGN, named.clone(), Code::PermissionDenied),
        ("64 MiB of content", SIGN, [named.clone(), field(2, &long)].concat(), Code::OutOfRange),
        ("a field that is cut off", SIGN, named[..named.len() - 1].to_vec(), Code::Internal),
        ("a key id that is no text", SIGN, field(1, &field(1, &[0xff])), Code::Internal),
        ("no key id", DELETE, vec![], Code::InvalidArgument),
        ("an empty key id", DELETE, field(1, b""), Code::InvalidArgument),
        ("no key id", DESCRIBE, vec![], Code::InvalidArgument),
        ("an empty key id", DESCRIBE, field(1, b""), Code::InvalidArgument),
        ("nothing at all", CREATE, vec![], Code::Unknown),
        ("no algorithm", CREATE, [field(2, GUN.as_bytes()), field(3, b"timestamp")].concat(), Code::Unknown),
        ("a wrong algorithm", CREATE, [field(1, b"rot13"), field(3, b"timestamp")].concat(), Code::Unknown),
        ("an algorithm of 64 MiB", CREATE, field(1, &long), Code::OutOfRange),
        (
            "a repository of 3 MiB",
            CREATE,
            [field(1, b"ecdsa"), field(2, &long[..3 << 20])].concat(),
            Code::InvalidArgument,
        ),
    ];
    for (what, method, request, expected) in requests {
        let (code, text) = refusal(call(&client, method, request).await);
        assert_eq!(code, expected, "{method}, {what}: {text}");
        assert!(text.len() < 300, "{method}, {what}: {text}");
        signs(&client).await;
    }
    assert_eq!(client.create(GUN, "snapshot").await.unwrap().key_info.unwrap().algorithm.unwrap().algorithm, "ecdsa");
    let log = started.terminate().await;
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_question_of_8_mib_is_read_and_one_byte_more_is_not() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let key = client.create(GUN, "timestamp").await.unwrap();
    let question = |bytes: usize| {
        let mut message = field(1, &field(1, id(&key).as_bytes()));
        let rest = bytes - message.len();
        // the number of the field and four bytes of its length
        message.extend(field(2, &vec![b' '; rest - 5]));
        assert_eq!(message.len(), bytes);
        proto_checked(message)
    };
    // blanks are no document, but they are read
    assert_eq!(refusal(call(&client, SIGN, question(8 << 20)).await).0, Code::PermissionDenied);
    assert_eq!(refusal(call(&client, SIGN, question((8 << 20) + 1)).await).0, Code::OutOfRange);
    started.terminate().await;
}

#[tokio::test]
async fn who_is_not_let_in_is_refused_before_the_question_is_read() {
    let signer = Running::start().await;
    let other = signer.place.authority.issue("other.test");
    let stranger = Client::connect(&signer, Some(&other)).await.unwrap();
    // read, it would be too long for anybody
    let question = field(2, &vec![b' '; 9 << 20]);
    let (code, text) = refusal(call(&stranger, SIGN, question.clone()).await);
    assert_eq!(code, Code::PermissionDenied, "{text}");
    assert_eq!(refusal(call(&signer.client().await, SIGN, question).await).0, Code::OutOfRange);
}

/// The message, if the contract's own reader takes it.
fn proto_checked(message: Vec<u8>) -> Vec<u8> {
    bulla_signer::grpc::proto::SignatureRequest::decode(Bytes::from(message.clone())).unwrap();
    message
}
