//! POST of a collection: publish.

use bytes::Bytes;
use http_body::Body;
use hyper::http::request::Parts;

use super::error::ApiError;
use super::{Answer, answer, upload};
use crate::app::App;
use crate::auth::{Access, Push};
use crate::rate::Client;

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
    let charge = app.upload_memory.charge(access.gun(), client)?;
    let received = upload::receive(&head.headers, body, &app.limits, charge).await?;
    app.publisher.publish(&access, received.upload).await?;
    drop(received.charge);
    Ok(answer::empty())
}
