//! The body of a publish, from the network to an [`Upload`], within limits of size, number, time and memory.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tuf_schema::Role;

use super::coding::{Coding, Codings};
use super::multipart::{self, MultipartError};
use super::unpacking::{Unpacking, ZstdFault};
use super::upload_memory::{BASE_CHARGE_BYTES, CHARGE_BYTES, Charge, NoRoom, memory_for};
use crate::config::Limits;
use crate::publish::{Upload, UploadPart};

/// Bodies above this size get their whole room at once: untouched pages cost nothing, copying does.
const SMALL_BODY_BYTES: usize = CHARGE_BYTES;

/// An upload, and the memory it is charged until it is dropped.
#[derive(Debug)]
pub(super) struct ChargedUpload {
    pub(super) upload: Upload,
    pub(super) charge: Charge,
}

/// Why there is no upload.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error(transparent)]
    Multipart(#[from] MultipartError),
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body is coded in a way that this server does not take")]
    ForeignCoding(Codings),
    #[error(transparent)]
    Zstd(#[from] ZstdFault),
    #[error("a part has no file name")]
    NoFileName,
    #[error("a part is named {0:?}, which is no role")]
    NoRole(String),
    #[error("the role {0} is uploaded twice")]
    Twice(Role),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// Reads the body of a request as an upload.
pub(super) async fn receive<B>(
    headers: &HeaderMap,
    body: &mut B,
    limits: &Limits,
    charge: Charge,
) -> Result<ChargedUpload, UploadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let coding = charge.codings().of(headers).ok_or(UploadError::ForeignCoding(charge.codings()))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(content_type)?;
    let reading = tokio::time::timeout(limits.request, read_whole(headers, coding, body, limits, charge));
    let (bytes, charge) = reading.await.map_err(|_| UploadError::TooSlow(limits.request))??;
    let upload = interpret(multipart::parse(&bytes, &boundary, limits.parts)?)?;
    Ok(ChargedUpload { upload, charge })
}

/// The whole body, if it is within `limit`, both as it comes and unpacked. Memory is charged as data arrives: a head alone,
/// or a length that it promises, costs nothing, and one that is too large is refused unread.
async fn read_whole<B>(
    headers: &HeaderMap,
    coding: Coding,
    body: &mut B,
    limits: &Limits,
    charge: Charge,
) -> Result<(Bytes, Charge), UploadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = limits.document_bytes;
    let promised: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if promised.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(UploadError::TooLarge { limit });
    }
    let mut gathered = Gathered { bytes: Vec::new(), charge, charged_for: 0, charged_unpacking: 0, limits };
    let mut came = 0_usize;
    let mut unpacking = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| UploadError::BrokenOff)?.into_data() else { continue };
        came = came.saturating_add(data.len());
        gathered.charge_for(came)?;
        match coding {
            Coding::Identity => gathered.add(&data)?,
            Coding::Zstd if data.is_empty() => {}
            Coding::Zstd => {
                let unpacking = match &mut unpacking {
                    Some(begun) => begun,
                    none => none.insert(Unpacking::new()?),
                };
                gathered.add_unpacked(unpacking, &data).await?;
            }
        }
    }
    match (coding, unpacking) {
        (Coding::Identity, _) => {}
        (Coding::Zstd, Some(unpacking)) => unpacking.finish()?,
        (Coding::Zstd, None) => return Err(ZstdFault::BreaksOff.into()),
    }
    Ok((gathered.bytes.into(), gathered.charge))
}

/// What there is of a body, and what it is charged.
struct Gathered<'a> {
    bytes: Vec<u8>,
    charge: Charge,
    charged_for: usize,
    charged_unpacking: usize,
    limits: &'a Limits,
}

impl Gathered<'_> {
    /// Charges a body of so many bytes, if there may be so many.
    fn charge_for(&mut self, length: usize) -> Result<(), UploadError> {
        let limit = self.limits.document_bytes;
        if length > limit {
            return Err(UploadError::TooLarge { limit });
        }
        if length > 0 && self.charge.bytes() == 0 {
            self.charge.grow(BASE_CHARGE_BYTES)?;
        }
        while self.charged_for < memory_for(length, self.limits.head_bytes()) {
            self.charge.grow(CHARGE_BYTES)?;
            self.charged_for = self.charged_for.saturating_add(CHARGE_BYTES);
        }
        Ok(())
    }

    fn add(&mut self, piece: &[u8]) -> Result<(), UploadError> {
        let length = self.bytes.len().saturating_add(piece.len());
        self.charge_for(length)?;
        let limit = self.limits.document_bytes;
        if length > SMALL_BODY_BYTES && self.bytes.capacity() < limit {
            let room = limit.saturating_sub(self.bytes.len());
            self.bytes.try_reserve_exact(room).map_err(|_| NoRoom::InUse)?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Adds what `data` unpacks to, in steps between which others get the thread and the limit of time is looked at.
    async fn add_unpacked(&mut self, unpacking: &mut Unpacking, data: &[u8]) -> Result<(), UploadError> {
        let mut rest = data;
        while !unpacking.is_done_with(rest) {
            self.add(unpacking.step(&mut rest)?)?;
            let more = unpacking.held_bytes().saturating_sub(self.charged_unpacking);
            if more > 0 {
                self.charge.grow(more)?;
                self.charged_unpacking = self.charged_unpacking.saturating_add(more);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Reads roles off the file names; the field names and content types of the parts do not count.
fn interpret(parts: Vec<multipart::Part>) -> Result<Upload, UploadError> {
    let mut upload = Upload { parts: Vec::with_capacity(parts.len()) };
    let mut roles = BTreeSet::new();
    for part in parts {
        let name = part.file_name.ok_or(UploadError::NoFileName)?;
        let name = name.strip_suffix(".json").unwrap_or(&name);
        if name.is_empty() {
            return Err(UploadError::NoFileName);
        }
        let role = Role::parse(name).map_err(|_| UploadError::NoRole(name.to_owned()))?;
        // the reference takes the last one and says nothing
        if !roles.insert(role.clone()) {
            return Err(UploadError::Twice(role));
        }
        upload.parts.push(UploadPart { role, bytes: part.content });
    }
    Ok(upload)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::super::unpacking::{self, tests::packed};
    use super::super::upload_memory::tests::{charge, limits, memory_of};
    use super::super::upload_memory::{KEPT_BACK_BYTES, Sharer, UploadMemory, longest_charge};
    use super::*;

    const SMALL: &str =
        "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\r\n{}\r\n--b--\r\n";

    fn headers(length: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=b".parse().unwrap());
        headers.extend(length.map(|length| (CONTENT_LENGTH, length.parse().unwrap())));
        headers
    }

    fn zstd_headers() -> HeaderMap {
        let mut headers = headers(None);
        headers.insert(hyper::header::CONTENT_ENCODING, "zstd".parse().unwrap());
        headers
    }

    /// A body that comes in pieces of 64 KiB and counts how many were taken.
    fn endless(taken: Arc<std::sync::atomic::AtomicUsize>) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let piece = Bytes::from(vec![b'a'; 64 << 10]);
        let pieces = std::iter::repeat_with(move || {
            taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Frame::data(piece.clone()))
        });
        StreamBody::new(futures_util::stream::iter(pieces))
    }

    async fn received<B: Body<Data = Bytes> + Unpin>(
        headers: HeaderMap,
        mut body: B,
        limit: usize,
        memory: &UploadMemory,
    ) -> Result<ChargedUpload, UploadError> {
        receive(&headers, &mut body, &limits(limit), charge(memory, "g", "alice")).await
    }

    #[tokio::test]
    async fn a_promised_length_above_the_limit_is_refused_unread() {
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let memory = memory_of(1 << 30);
        let promised = headers(Some("1001"));
        let error = received(promised, endless(Arc::clone(&taken)), 1000, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::TooLarge { limit: 1000 }));
        assert_eq!(taken.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_without_length_is_read_up_to_the_limit_only() {
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let memory = memory_of(1 << 30);
        let error = received(headers(None), endless(Arc::clone(&taken)), 1 << 20, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::TooLarge { .. }));
        assert!(taken.load(std::sync::atomic::Ordering::Relaxed) <= 18, "{taken:?}");
    }

    #[tokio::test]
    async fn uploads_share_one_memory_and_give_it_back() {
        // A quarter of so small a total is kept back.
        let memory = memory_of((BASE_CHARGE_BYTES + CHARGE_BYTES) / 3 * 4);
        let first = received(headers(None), Full::from(SMALL), 1000, &memory).await.unwrap();
        assert_eq!(first.charge.bytes(), BASE_CHARGE_BYTES + CHARGE_BYTES);
        let other = charge(&memory, "h", "bob");
        let second = receive(&headers(None), &mut Full::from(SMALL), &limits(1000), other).await;
        assert!(matches!(second, Err(UploadError::NoRoom(NoRoom::InUse))));
        drop(first);
        assert!(received(headers(None), Full::from(SMALL), 1000, &memory).await.is_ok());
    }

    #[tokio::test]
    async fn an_unpacked_body_may_be_as_long_as_the_limit_and_not_one_byte_longer() {
        let memory = memory_of(64 << 20);
        let [limit, one_more] = [200_000, 200_001].map(|length| {
            let preamble = " ".repeat(length - SMALL.len() - 2);
            packed(format!("{preamble}\r\n{SMALL}").as_bytes(), 20)
        });
        let taken = received(zstd_headers(), Full::from(limit), 200_000, &memory).await.unwrap();
        assert_eq!(taken.upload.parts[0].bytes, "{}");
        let error = received(zstd_headers(), Full::from(one_more), 200_000, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::TooLarge { limit: 200_000 }), "{error}");
    }

    #[tokio::test]
    async fn a_bomb_ends_at_the_limit_having_taken_no_more_than_it_is_charged() {
        let memory = memory_of(64 << 20);
        let limits = limits(1 << 20);
        let bomb = packed(&vec![0; 64 << 20], 23);
        assert!(bomb.len() < 64 << 10, "{}", bomb.len());
        let charge = charge(&memory, "g", "alice");
        let mut gathered =
            Gathered { bytes: Vec::new(), charge, charged_for: 0, charged_unpacking: 0, limits: &limits };
        let mut unpacking = Unpacking::new().unwrap();
        let error = gathered.add_unpacked(&mut unpacking, &bomb).await.unwrap_err();
        assert!(matches!(error, UploadError::TooLarge { limit: 1_048_576 }), "{error}");
        let held = gathered.bytes.capacity() + unpacking.held_bytes();
        assert!(held <= gathered.charge.bytes(), "{held} of {}", gathered.charge.bytes());
        assert!(gathered.charge.bytes() <= longest_charge(&limits) + unpacking::MOST_BYTES);
    }

    #[tokio::test]
    async fn what_unpacks_a_body_is_charged_by_its_window() {
        let memory = memory_of(64 << 20);
        let mut held = Vec::new();
        for window_log in [12, 23] {
            let body = Full::from(packed(SMALL.as_bytes(), window_log));
            held.push(received(zstd_headers(), body, 1000, &memory).await.unwrap().charge.bytes());
        }
        assert!(held[0] < 1 << 20 && held[1] > 8 << 20, "{held:?}");
        let body = Full::from(packed(SMALL.as_bytes(), 23));
        let mut other = charge(&memory, "g", "bob");
        other.grow(memory.share_bytes - (8 << 20)).unwrap();
        let error = received(zstd_headers(), body, 1000, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::NoRoom(NoRoom::Share(Sharer::Repository))), "{error}");
    }

    #[tokio::test]
    async fn a_frame_that_unpacks_to_nothing_ends_at_the_limit_of_what_comes() {
        let memory = memory_of(64 << 20);
        let head = Bytes::from_static(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]);
        let blocks = Bytes::from([0, 0, 0].repeat(1000));
        let pieces = std::iter::once(head).chain(std::iter::repeat(blocks)).map(|data| Ok(Frame::data(data)));
        let body = StreamBody::new(futures_util::stream::iter(pieces.map(|piece: Result<_, std::io::Error>| piece)));
        let error = received(zstd_headers(), body, 100_000, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::TooLarge { limit: 100_000 }), "{error}");
    }

    #[tokio::test]
    async fn a_coded_body_is_taken_only_where_the_largest_could_be_unpacked() {
        // all of a share goes to one: three quarters of the total, less what one of the largest size needs
        let limits = limits(1000);
        let needed = 2 * longest_charge(&limits) + unpacking::MOST_BYTES;
        let total = |bytes: usize| Limits { upload_memory_bytes: bytes, memory_share_percent: 100, ..limits.clone() };
        let least = (needed..).find(|bytes| bytes - KEPT_BACK_BYTES.min(bytes / 4) >= needed).unwrap();
        assert_eq!(UploadMemory::new(&total(least)).codings(), Codings::Zstd);
        let memory = UploadMemory::new(&total(least - 1));
        assert_eq!(memory.codings(), Codings::Identity);
        let body = Full::from(packed(SMALL.as_bytes(), 12));
        let error = received(zstd_headers(), body, 1000, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::ForeignCoding(Codings::Identity)), "{error}");
    }

    #[tokio::test]
    async fn no_byte_of_a_coded_body_is_no_frame() {
        for body in [vec![], vec![Bytes::new()]] {
            let pieces = body.into_iter().map(|data| Ok::<_, std::io::Error>(Frame::data(data)));
            let body = StreamBody::new(futures_util::stream::iter(pieces));
            let error = received(zstd_headers(), body, 1000, &memory_of(64 << 20)).await.err().unwrap();
            assert!(matches!(error, UploadError::Zstd(ZstdFault::BreaksOff)), "{error}");
        }
    }

    #[tokio::test]
    async fn a_head_without_a_byte_of_body_takes_no_memory_from_others() {
        let memory = memory_of((BASE_CHARGE_BYTES + CHARGE_BYTES) / 3 * 4);
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        let mut waiting = std::pin::pin!(received(headers(Some("500")), silent, 1000, &memory));
        assert!(futures_util::FutureExt::now_or_never(waiting.as_mut()).is_none());
        assert!(received(headers(None), Full::from(SMALL), 1000, &memory).await.is_ok());
    }

    #[tokio::test]
    async fn memory_is_taken_as_data_arrives() {
        let memory = memory_of(4 << 20);
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let others = [("h", "bob", 1400), ("i", "carol", 500)].map(|(gun, subject, kibibytes)| {
            let mut held = charge(&memory, gun, subject);
            held.grow(kibibytes << 10).unwrap();
            held
        });
        let error = received(headers(None), endless(Arc::clone(&taken)), 64 << 20, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::NoRoom(NoRoom::InUse)), "{error}");
        assert!(taken.load(std::sync::atomic::Ordering::Relaxed) > 1);
        drop(others);
        let error = received(headers(None), endless(taken), 64 << 20, &memory).await.err().unwrap();
        assert!(matches!(error, UploadError::NoRoom(NoRoom::Share(Sharer::Repository))), "{error}");
    }

    /// What fits beside a whole of 8 MiB of which a quarter is kept back: 3 MiB are half of the rest.
    #[tokio::test]
    async fn a_body_that_does_not_come_ends_at_the_limit_of_time() {
        let mut silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        let limits = Limits { request: Duration::from_millis(10), ..Limits::default() };
        let charge = charge(&memory_of(1 << 20), "g", "alice");
        let received = receive(&headers(None), &mut silent, &limits, charge).await;
        let error = received.err().unwrap();
        assert!(matches!(error, UploadError::TooSlow(_)));
    }

    fn part(name: Option<&str>) -> multipart::Part {
        multipart::Part { file_name: name.map(str::to_owned), content: Bytes::new() }
    }

    #[test]
    fn one_json_suffix_is_taken_off_a_file_name() {
        let upload = interpret(vec![part(Some("root.json")), part(Some("targets/releases"))]).unwrap();
        let roles: Vec<&str> = upload.parts.iter().map(|part| part.role.as_str()).collect();
        assert_eq!(roles, ["root", "targets/releases"]);
        let twice = interpret(vec![part(Some("root.json.json"))]);
        assert!(matches!(twice, Err(UploadError::NoRole(name)) if name == "root.json"));
    }

    #[test]
    fn a_part_needs_a_file_name() {
        for name in [None, Some(""), Some(".json")] {
            assert!(matches!(interpret(vec![part(name)]), Err(UploadError::NoFileName)), "{name:?}");
        }
    }

    #[test]
    fn a_role_is_uploaded_once() {
        let parts = vec![part(Some("targets")), part(Some("root")), part(Some("targets.json"))];
        assert!(matches!(interpret(parts), Err(UploadError::Twice(Role::Targets))));
    }
}
