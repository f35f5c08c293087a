//! The recorded uploads to the reference: what it refused is refused for the same reason.

use tuf_schema::model::{Root, Timestamp};
use tuf_schema::{Dialect, Draft, Envelope};

use super::*;
use crate::publish::validate::NextSnapshot;

/// What the reference accepts and we do not, with our words.
const REFUSED_BY_US_ONLY: [(&str, &str, &str); 3] = [
    ("166-post-trailing-spaces-accepted", "ErrBadTargets", "invalid character ' ' after top-level value"),
    (
        "173-post-unknown-signed-field",
        "ErrBadTargets",
        "targets is not encoded as Notary encodes it (white space, order of members, unknown members or form of expires)",
    ),
    (
        "194-post-snapshot-lists-unknown-targets",
        "ErrBadSnapshot",
        "the snapshot lists a targets that was never uploaded",
    ),
];

/// Of these the edge sees to it that nothing reaches the publisher.
const REFUSED_BY_THE_EDGE: [&str; 10] = [
    "039-post-root",
    "058-post-not-multipart",
    "059-post-truncated-multipart",
    "061-post-empty-filename",
    "062-post-bad-role",
    "063-post-uppercase-delegation",
    "064-post-unclean-delegation",
    "065-post-no-content-disposition",
    "177-post-duplicate-role-last-wins",
    "222-auth-prefix-post",
];

/// Keys that the recorded signer did not hold.
const NOT_HELD: [&str; 3] = [
    "90de9ac47a217a855fab9f0d822ffb2ba8d626dfafd5b85830a1a2940e913b43",
    "10c209e00342ab80c4ea4e7b0b048ec7e85e165f004862386576c3cb84e56d9c",
    "9305454536df87e92d371ab4d8cbdd05d0a7bc919d94bbc5682b6b35a425ed41",
];

/// Claims to hold the recorded signer's keys and cannot sign: a refusal must come before that.
struct RecordedSigner(BTreeMap<KeyId, PublicKey>);

#[async_trait]
impl RoleSigner for RecordedSigner {
    async fn create_key(&self, _: &Gun, _: ServerRole, _: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        Err(SignerError::Unavailable("a recording makes no keys".into()))
    }

    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        Ok(self.0.get(id).filter(|_| !NOT_HELD.contains(&id.as_str())).cloned())
    }

    async fn sign(&self, _: &Gun, _: &PublicKey, _: &[u8]) -> Result<Signature, SignerError> {
        Err(SignerError::Unavailable("a recording does not sign".into()))
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }

    fn custody(&self) -> Custody {
        Custody::Remote
    }
}

struct Recording {
    name: String,
    gun: Gun,
    upload: Upload,
    status: u16,
    answer: String,
}

/// The uploads in the order in which they were recorded, so that later ones find what earlier ones stored.
fn recordings() -> Vec<Recording> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/http");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let recordings = files.iter().filter_map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        let upload = name.contains("-post-") && text.contains("/_trust/tuf/ HTTP/1.1");
        (upload && !REFUSED_BY_THE_EDGE.contains(&name.as_str())).then(|| recording(name, &text))
    });
    recordings.collect()
}

fn recording(name: String, text: &str) -> Recording {
    let (request, response) = text.split_once("\n<<< RESPONSE\n").unwrap();
    let path = request.split_once("POST /v2/").unwrap().1;
    let gun = Gun::parse(path.split_once("/_trust/tuf/ ").unwrap().0).unwrap();
    let boundary = request.split_once("boundary=").unwrap().1.lines().next().unwrap();
    let opening = format!("--{boundary}\r\n");
    let parts = request.split(&opening).skip(1).map(|part| {
        let (head, rest) = part.split_once("\r\n\r\n").unwrap();
        let file_name = head.split_once("filename=\"").unwrap().1.split_once('"').unwrap().0;
        let body = rest.split_once(&format!("\r\n--{boundary}")).map_or(rest, |(body, _)| body);
        let body = body.strip_suffix("\r\n").unwrap_or(body);
        UploadPart { role: role(file_name), bytes: Bytes::from(body.to_owned()) }
    });
    let upload = Upload { parts: parts.collect() };
    let status = response.split(' ').nth(1).unwrap().parse().unwrap();
    let answer = response.split_once("\r\n\r\n").unwrap().1.trim().to_owned();
    Recording { name, gun, upload, status, answer }
}

/// The keys that the uploaded root lists, if there is one that can be read.
fn keys_of(recording: &Recording) -> Vec<(KeyId, PublicKey)> {
    let root = recording.upload.parts.iter().find(|part| part.role == Role::Root);
    let envelope = root.and_then(|part| Envelope::parse(Dialect::Notary, part.bytes.clone()).ok());
    let root = envelope.and_then(|envelope| envelope.decode::<Root>(Role::Root).ok());
    root.map(|root| root.claims().keys.clone().into_iter().collect()).unwrap_or_default()
}

/// The name and message of a recorded refusal.
fn recorded_refusal(answer: &str) -> (String, Option<String>) {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let error = &answer["errors"][0];
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    match error["code"].as_str().unwrap() {
        "INVALID_UPDATE" => (text(&error["detail"]["Name"]).unwrap(), text(&error["detail"]["Error"]["Msg"])),
        code => (code.to_owned(), None),
    }
}

#[tokio::test]
async fn what_the_reference_refused_is_refused_for_the_recorded_reason() {
    let clock = TestClock::at("2026-11-21T21:05:00Z");
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let limits = PublishLimits::default();
    let signer = RecordedSigner(recordings().iter().flat_map(keys_of).collect());
    let publisher =
        Publisher::new(store.clone(), Arc::new(signer), clock.clone(), limits, Arc::new(SystemRandom::new()));
    let (mut refused, mut accepted) = (0, 0);
    for recording in recordings() {
        let Recording { name, gun, upload, status, answer } = recording;
        let by_us = REFUSED_BY_US_ONLY.iter().find(|(known, ..)| *known == name);
        if let Some((_, error_name, message)) = by_us {
            assert_eq!(status, 200, "{name}");
            let error = publisher.publish(&Access::for_tests(gun), upload).await.unwrap_err();
            assert_eq!(told(&error), (told_name(error_name), (*message).to_owned()), "{name}");
        } else if status == 200 {
            accept(&store, &gun, &upload, clock.now(), limits).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            accepted += 1;
        } else {
            let (error_name, message) = recorded_refusal(&answer);
            let error = publisher.publish(&Access::for_tests(gun), upload).await.unwrap_err();
            let (told_name, told_message) = told(&error);
            assert_eq!(told_name, error_name, "{name}: {told_message}");
            assert_eq!(message.as_ref().map(|_| told_message), message, "{name}");
            refused += 1;
        }
    }
    assert_eq!((refused, accepted), (REFUSED, ACCEPTED));
}

/// How many recordings there are of each kind: a fixture that is not read proves nothing.
const REFUSED: usize = 42;
const ACCEPTED: usize = 11;

/// Judges an accepted upload and stores it with documents of the server that nobody signed.
async fn accept(
    store: &MemoryStore,
    gun: &Gun,
    upload: &Upload,
    now: UtcTime,
    limits: PublishLimits,
) -> Result<(), PublishError> {
    let parts = Parts::parse(upload)?;
    let newest = store.newest(gun).await?;
    let root = newest.root.as_ref().map(|stored| TrustedRoots::new().believe(gun, stored, now)).transpose()?;
    let known = load::load(store, gun, &newest, root, &parts).await?;
    let next = |role: &Role| known.newest.get(role).map_or(Version::FIRST, |newest| newest.next().unwrap());
    let accepted = validate::validate(gun, parts, &known, now, limits)?;
    let mut files = accepted.files;
    let snapshot = match accepted.snapshot {
        NextSnapshot::Uploaded(bytes) => bytes,
        NextSnapshot::Made(meta) => {
            let model = Snapshot { version: next(&Role::Snapshot), expires: now, meta };
            let bytes = Draft::new(Dialect::Notary, &model)?.finish(&[]);
            files.push(NewFile::new(Role::Snapshot, model.version, bytes.clone()));
            bytes
        }
    };
    let model = Timestamp { version: next(&Role::Timestamp), expires: now, snapshot: FileMeta::of(&snapshot) };
    let bytes = Draft::new(Dialect::Notary, &model)?.finish(&[]);
    let timestamp = NewFile::new(Role::Timestamp, model.version, bytes);
    store
        .commit(&ValidatedUpdate::for_store_tests(gun, newest.timestamp.map(|stored| stored.sha256), timestamp, files))
        .await?;
    Ok(())
}
