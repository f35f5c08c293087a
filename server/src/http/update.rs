//! GET of an update: everything that is current and that the client does not hold, in one answer.

use bulla_traces::{SpanKind, child};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tuf_schema::update_answer::{self, Held, HeldFault, UpdateIndex};

use super::error::ApiError;
use super::fetch::READ;
use super::{Answer, AnswerBody, path};
use crate::app::App;
use crate::auth::{Access, Pull};
use crate::catch_up::Part;
use crate::rate::Client;

const ANNOUNCED: HeaderName = HeaderName::from_static(update_answer::HEADER);
const ANNOUNCED_VALUE: HeaderValue = HeaderValue::from_static(update_answer::HEADER_VALUE);
const CONTENT: HeaderValue = HeaderValue::from_static(update_answer::CONTENT_TYPE);

pub(super) async fn update(app: &App, access: Access<Pull>, client: Client, query: &str) -> Result<Answer, ApiError> {
    let held = held(query).map_err(|fault| ApiError::invalid_held(&fault))?;
    let state = child(READ, SpanKind::Internal, app.reader.state(&access)).await?.ok_or_else(ApiError::not_found)?;
    let most_bytes = app.answer_memory.most_bytes(client);
    let mut plan = app.catch_up.plan(state, &held, most_bytes);
    // charged before the documents are read, and each delta before the next is made; what is not needed for them after
    // all is given back
    let mut charged = app.answer_memory.growing(client);
    charged.grow(plan.beside_files())?;
    let deadline = app.catch_up.deadline();
    for wanted in plan.files() {
        app.catch_up.find_delta(&app.reader, &access, wanted, deadline).await?;
        charged.grow(wanted.bytes())?;
    }
    let parts = app.catch_up.parts(&app.reader, &access, plan).await?;
    let (files, bytes): (Vec<_>, Vec<_>) = parts.into_iter().map(|Part { file, bytes }| (file, bytes)).unzip();
    let index = UpdateIndex::new(files).map_err(|fault| ApiError::unlisted(&fault))?;
    let body = [vec![Bytes::from(index.to_line())], bytes].concat();
    drop(charged);
    let mut answer = Answer::new(AnswerBody::of_parts(app.answer_memory.hold_all(client, body)?));
    let headers = [(CONTENT_TYPE, CONTENT), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    answer.headers_mut().extend(headers);
    Ok(answer)
}

/// Says that there is this way of asking: in the answer that a client asks for before all others.
pub(super) fn announce(answer: &mut Answer) {
    answer.headers_mut().insert(ANNOUNCED, ANNOUNCED_VALUE);
}

/// What the client holds, as its query says.
fn held(query: &str) -> Result<Held, HeldFault> {
    let decoded = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // what is no text is no value either
        (name, path::decode(value).unwrap_or_default())
    });
    let decoded: Vec<_> = decoded.collect();
    Held::parse(decoded.iter().map(|(name, value)| (*name, value.as_str())))
}

#[cfg(test)]
mod tests {
    use tuf_schema::{Role, Sha256, Version};

    use super::*;

    #[test]
    fn values_may_be_percent_encoded_and_what_is_no_text_is_refused() {
        let digest = Sha256::of(b"x");
        let read = held(&format!("root=%32&have=targets%2Freleases%3A{digest}&_=1")).unwrap();
        assert_eq!(read.root, Version::FIRST.next());
        assert_eq!(read.documents[&Role::parse("targets/releases").unwrap()], digest);
        assert_eq!(held(""), Ok(Held::default()));
        assert_eq!(held("root=%ff"), Err(HeldFault::Root));
        assert_eq!(held("have=%2"), Err(HeldFault::Have));
    }
}
