//! Who may do what: a bearer token in, an [`Access`] or a challenge out.
//!
//! The rules are the reference's (a docker registry's token authentication); what it lets pass by mistake is refused.

pub mod access;
mod bundle;
mod challenge;
mod claims;
mod key;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use tuf_schema::UtcTime;

pub use access::{Access, Admin, CatalogAccess, ListAccess, Permit, Pull, Push, Right, Subject, Visible};
pub use bundle::{BundleError, RootBundle, SharedBundle};
pub use challenge::{Denied, DeniedReason, Wanted};
pub use token::TokenError;

use claims::Claims;
use token::SignedToken;

/// Where a client gets its tokens, and which tokens count.
#[derive(Debug)]
pub struct TokenRules {
    /// The address of the token service, as the challenge names it.
    pub realm: String,
    /// Whether the realm is `https://HOST/auth/token` instead, HOST being the host the client asked.
    pub auto_redirect: bool,
    /// This server's name among the services of a token service: the audience of a token.
    pub service: String,
    /// Who must have made the token.
    pub issuer: String,
    /// The certificates a token's key must lead to.
    pub bundle: Arc<SharedBundle>,
    /// The longest token looked at, in bytes.
    pub token_bytes: usize,
}

/// Decides who may do what.
#[derive(Debug)]
pub enum Authenticator {
    /// A deployment without authentication: everybody may do everything.
    Open,
    /// Bearer tokens.
    Token(Box<TokenRules>),
}

/// What a request says about its sender.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a [u8]>,
    /// The `Host` header.
    pub host: Option<&'a [u8]>,
}

impl Authenticator {
    /// Whether the sender has the right `R` on the repository `name`.
    ///
    /// `name` need not be a valid GUN: that is found out afterwards, from the [`Permit`].
    ///
    /// # Errors
    /// [`Denied`] holds the challenge.
    pub fn authorize<R: Right>(
        &self,
        credentials: Credentials<'_>,
        name: &str,
        now: UtcTime,
    ) -> Result<Permit<R>, Denied> {
        let wanted = R::ACTIONS.iter().map(|&action| Wanted::repository(name, action)).collect();
        let subject = self.check(credentials, wanted, now)?;
        Ok(Permit::granted(name, subject))
    }

    /// Whether the sender may see what concerns every repository.
    ///
    /// # Errors
    /// [`Denied`] holds the challenge.
    pub fn authorize_catalog(&self, credentials: Credentials<'_>, now: UtcTime) -> Result<CatalogAccess, Denied> {
        let subject = self.check(credentials, vec![Wanted::catalog()], now)?;
        Ok(CatalogAccess { subject })
    }

    /// Which repositories the sender may know of: all with the right to the catalog, else those that its token lets it
    /// pull. A token that grants neither is told what to ask for.
    ///
    /// # Errors
    /// [`Denied`] holds the challenge.
    pub fn authorize_list(&self, credentials: Credentials<'_>, now: UtcTime) -> Result<ListAccess, Denied> {
        let Self::Token(rules) = self else { return Ok(ListAccess { subject: None, visible: Visible::All }) };
        let denied = |reason| Denied::new(rules, credentials.host, vec![Wanted::catalog()], reason);
        let claims = rules.bearer_claims(credentials, now).map_err(denied)?;
        let visible = if claims.grant(&Wanted::catalog()) {
            Visible::All
        } else {
            Visible::These(Pull::ACTIONS.iter().flat_map(|action| claims.repositories(action)).collect())
        };
        if visible == Visible::These(BTreeSet::new()) {
            return Err(denied(DeniedReason::InsufficientScope));
        }
        Ok(ListAccess { subject: claims.subject(), visible })
    }

    fn check(
        &self,
        credentials: Credentials<'_>,
        wanted: Vec<Wanted>,
        now: UtcTime,
    ) -> Result<Option<Subject>, Denied> {
        let Self::Token(rules) = self else { return Ok(None) };
        match rules.check(credentials, &wanted, now) {
            Ok(subject) => Ok(subject),
            Err(reason) => Err(Denied::new(rules, credentials.host, wanted, reason)),
        }
    }
}

impl TokenRules {
    fn check(
        &self,
        credentials: Credentials<'_>,
        wanted: &[Wanted],
        now: UtcTime,
    ) -> Result<Option<Subject>, DeniedReason> {
        let claims = self.bearer_claims(credentials, now)?;
        if wanted.iter().all(|one| claims.grant(one)) {
            Ok(claims.subject())
        } else {
            Err(DeniedReason::InsufficientScope)
        }
    }

    /// What the token of a request says, if it counts.
    fn bearer_claims(&self, credentials: Credentials<'_>, now: UtcTime) -> Result<Claims, DeniedReason> {
        let Some(text) = credentials.authorization.and_then(bearer) else { return Err(DeniedReason::NoToken) };
        self.claims(text, now).map_err(DeniedReason::InvalidToken)
    }

    fn claims(&self, text: &[u8], now: UtcTime) -> Result<Claims, TokenError> {
        if text.len() > self.token_bytes {
            return Err(TokenError::TooLong { bytes: text.len(), limit: self.token_bytes });
        }
        let claims = SignedToken::parse(text)?.verify(&self.bundle.current(), now)?;
        claims.check(&self.issuer, &self.service, now)?;
        Ok(claims)
    }
}

/// The token in an `Authorization` header: two words, the first `Bearer` in any case. Anything else counts as none.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let mut words = header.split(|byte| *byte == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case(b"bearer") => Some(token),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
