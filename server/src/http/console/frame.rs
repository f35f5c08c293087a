//! What all pages have in common: the frame, the style, and the headers that keep a browser from doing more than showing them.

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::changes;
use crate::http::Answer;

/// Where the style is.
pub(super) const STYLE_PATH: &str = "/style.css";

const STYLE: &str = include_str!("style.css");

/// No script, nothing of other servers, in no frame; nothing is kept.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// A page.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) content: Markup,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, content: Markup) -> Self {
        Self { status: StatusCode::OK, title: title.into(), content }
    }

    /// That something is not there, or cannot be had.
    pub(super) fn failure(status: StatusCode, said: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Failed").to_owned();
        Self { status, title, content: html! { p { (said) } } }
    }

    pub(super) fn answer(self) -> Answer {
        let Self { status, title, content } = self;
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " – Bulla" }
                    // browsers ask for one that is not there otherwise
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(STYLE_PATH);
                }
                body {
                    a.skip href="#content" { "Skip to content" }
                    header {
                        nav aria-label="Pages" {
                            span.name { "Bulla" }
                            a href="/" { "Repositories" }
                            a href=(changes::PATH) { "Recent changes" }
                        }
                    }
                    main #content tabindex="-1" {
                        h1 { (title) }
                        (content)
                    }
                    footer { p { "Times are UTC. What is shown is what the stored documents say; nothing is verified here: " code { "bulla-server admin verify" } "." } }
                }
            }
        };
        answer(status, "text/html; charset=utf-8", Bytes::from(markup.into_string()))
    }
}

/// The style of all pages.
pub(super) fn style() -> Answer {
    answer(StatusCode::OK, "text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes()))
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = HEADERS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(headers.chain([(CONTENT_TYPE, HeaderValue::from_static(kind))]));
    answer
}
