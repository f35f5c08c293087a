//! POST of a collection: publish.

use bytes::Bytes;
use http_body::Body;
use hyper::http::request::Parts;
use tokio::sync::{Semaphore, SemaphorePermit};
use tuf_schema::Gun;

use super::error::ApiError;
use super::{Answer, answer, upload};
use crate::app::App;
use crate::auth::{Access, Push};
use crate::gun_turns::{GunTurns, Turn};
use crate::publish::Upload;
use crate::rate::Client;

/// Uploads above this size are large. To judge one takes many times its size in memory.
const LARGE_UPLOAD_BYTES: usize = 256 << 10;

/// Where large uploads wait, so that only so many are judged at once, and only one of each repository waits for that.
pub(crate) struct LargeUploads {
    turns: GunTurns,
    slots: Semaphore,
}

impl LargeUploads {
    /// At most `most` are judged at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { turns: GunTurns::default(), slots: Semaphore::new(most.min(Semaphore::MAX_PERMITS)) }
    }

    /// Waits for its turn; a small upload needs none.
    async fn wait(&self, gun: &Gun, upload: &Upload) -> Option<(Turn, Option<SemaphorePermit<'_>>)> {
        let bytes = upload.parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.bytes.len()));
        if bytes <= LARGE_UPLOAD_BYTES {
            return None;
        }
        let turn = self.turns.take(gun).await;
        // never closed
        Some((turn, self.slots.acquire().await.ok()))
    }
}

pub(super) async fn publish<B>(
    app: &App,
    access: Access<Push>,
    client: Client,
    head: &Parts,
    body: &mut B,
) -> Result<Answer, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
{
    app.rates.count_publish(access.gun())?;
    let charge = app.upload_memory.charge(access.gun(), client).map_err(upload::UploadError::from)?;
    let received = upload::receive(&head.headers, body, &app.limits, charge).await?;
    let _turn = app.large_uploads.wait(access.gun(), &received.upload).await;
    let judged = app.metrics.publishes.begun();
    let published = app.publisher.publish(&access, received.upload).await;
    judged.ended(&published);
    published?;
    drop(received.charge);
    Ok(answer::empty())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tuf_schema::Role;

    use super::*;
    use crate::publish::UploadPart;

    fn upload(bytes: usize) -> Upload {
        Upload { parts: vec![UploadPart { role: Role::Targets, bytes: vec![b'x'; bytes].into() }] }
    }

    #[tokio::test]
    async fn large_uploads_wait_for_each_other_and_no_repository_takes_two_places() {
        let uploads = LargeUploads::new(2);
        let (large, small) = (upload(LARGE_UPLOAD_BYTES + 1), upload(LARGE_UPLOAD_BYTES));
        let gun = |name: &str| Gun::parse(name).unwrap();
        let [g, h, i] = [gun("g"), gun("h"), gun("i")];
        let first = uploads.wait(&g, &large).await;
        let mut same = Box::pin(uploads.wait(&g, &large));
        assert!((&mut same).now_or_never().is_none(), "its repository has its turn");
        let second = uploads.wait(&h, &large).now_or_never().expect("a place is left");
        let mut third = Box::pin(uploads.wait(&i, &large));
        assert!((&mut third).now_or_never().is_none(), "both places are taken");
        assert!(uploads.wait(&i, &small).now_or_never().expect("small ones do not wait").is_none());
        drop(second);
        assert!((&mut third).now_or_never().is_some());
        drop(first);
        assert!((&mut same).now_or_never().is_some());
    }
}
