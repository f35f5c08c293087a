//! POST of a collection: publish.

use bytes::Bytes;
use http_body::Body;
use hyper::http::request::Parts;

use super::error::ApiError;
use super::{Answer, answer, upload};
use crate::app::App;
use crate::auth::{Access, Push};

pub(super) async fn publish<B>(app: &App, access: Access<Push>, head: &Parts, body: &mut B) -> Result<Answer, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let received = upload::receive(&head.headers, body, &app.limits, &app.upload_memory).await?;
    app.publisher.publish(&access, received.upload).await?;
    drop(received.charge);
    Ok(answer::empty())
}
