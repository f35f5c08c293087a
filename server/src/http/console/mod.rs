//! The console: what is stored and who may sign it, on a few pages for a browser. It only reads, at an address of its own and
//! behind a token of its own, and shows every repository.

mod changes;
mod dates;
mod frame;
mod repositories;
mod repository;
mod token;

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;
use tracing::{error, info};

use crate::app::{App, StartError};
use crate::config::ConsoleConfig;
use crate::http::Answer;
use crate::store::StoreError;
use crate::watched::{NamedFile, Watched};
use frame::Page;
use token::Token;
pub(crate) use token::TokenFault;

/// How many pages are made at a time: each may read long documents, and clients must not wait for a browser.
const AT_A_TIME: usize = 2;

/// What is needed beside an [`App`] to answer those who look.
pub(crate) struct Console {
    token: Token,
    turns: Semaphore,
}

impl Console {
    /// Reads the token, which is read again when its file changes.
    ///
    /// # Errors
    /// [`StartError`] when there is none in the file.
    pub(crate) fn start(config: &ConsoleConfig) -> Result<(Self, Watched), StartError> {
        let (token, watched) = Token::start(NamedFile::new(ConsoleConfig::TOKEN_FILE, &config.token_file))?;
        Ok((Self { token, turns: Semaphore::new(AT_A_TIME) }, watched))
    }

    /// Answers one request. Who does not know the token is told nothing, not which pages there are either.
    pub(crate) async fn answer<B>(&self, app: &App, peer: IpAddr, request: &Request<B>) -> Answer {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let answer = if !request.headers().get(AUTHORIZATION).is_some_and(|given| self.token.opens(given)) {
            unknown()
        } else if request.method() != Method::GET {
            Page::failure(StatusCode::METHOD_NOT_ALLOWED, "Nothing can be changed here.").answer()
        } else if path == frame::STYLE_PATH {
            frame::style()
        } else {
            let page = tokio::time::timeout(app.limits.request, self.page(app, path, query)).await;
            let late = || Page::failure(StatusCode::SERVICE_UNAVAILABLE, "That took too long.");
            page.unwrap_or_else(|_| late()).answer()
        };
        info!(client = %peer, method = %request.method(), path, status = answer.status().as_u16(), "console");
        answer
    }

    async fn page(&self, app: &App, path: &str, query: &str) -> Page {
        // nobody closes it
        let _turn = self.turns.acquire().await;
        let page = match path {
            "/" => repositories::page(app, query).await,
            repository::PATH => repository::page(app, query).await,
            changes::PATH => changes::page(app, query).await,
            _ => Ok(Page::failure(StatusCode::NOT_FOUND, "There is no such page.")),
        };
        page.unwrap_or_else(|failure: StoreError| {
            let failure: &(dyn std::error::Error + 'static) = &failure;
            error!(error = failure, path, "a page of the console cannot be made");
            let said = "The database does not answer as it should. The server's log says why.";
            Page::failure(StatusCode::SERVICE_UNAVAILABLE, said)
        })
    }
}

/// Browsers ask for a name, too, which counts for nothing, and for the token as a password.
fn unknown() -> Answer {
    let said = "The console wants the token of console.token_file: in a browser as the password, with any name.";
    let mut answer = Page::failure(StatusCode::UNAUTHORIZED, said).answer();
    let asked = HeaderValue::from_static("Basic realm=\"Bulla console\", charset=\"UTF-8\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, asked);
    answer
}
