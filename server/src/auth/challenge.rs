//! The answer to a caller without the right: what was wanted, and where to get a token for it.

use std::fmt::Write;

use super::TokenRules;
use super::token::TokenError;

/// One right that a token must grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `repository` or `registry`.
    pub kind: &'static str,
    /// The repository's name, or `catalog`.
    pub name: String,
    /// `pull`, `push` or `*`.
    pub action: &'static str,
}

/// A request that may not be done.
#[derive(Debug)]
pub struct Denied {
    /// The `WWW-Authenticate` header; visible characters and UTF-8 only.
    pub challenge: String,
    /// What a token must grant.
    pub wanted: Vec<Wanted>,
    /// Why, for the log.
    pub reason: DeniedReason,
}

/// Why a request may not be done.
#[derive(Debug, thiserror::Error)]
pub enum DeniedReason {
    /// The request bears no token.
    #[error("no token was sent")]
    NoToken,
    /// The token counts for nothing.
    #[error("the token is not valid: {0}")]
    InvalidToken(TokenError),
    /// The token is good, and grants something else.
    #[error("the token does not grant what the request needs")]
    InsufficientScope,
}

impl Wanted {
    /// The kind of what belongs to one repository.
    pub(super) const REPOSITORY: &'static str = "repository";

    pub(super) fn repository(name: &str, action: &'static str) -> Self {
        Self { kind: Self::REPOSITORY, name: name.to_owned(), action }
    }

    pub(super) fn catalog() -> Self {
        Self { kind: "registry", name: "catalog".to_owned(), action: "*" }
    }
}

impl Denied {
    pub(super) fn new(rules: &TokenRules, host: Option<&[u8]>, wanted: Vec<Wanted>, reason: DeniedReason) -> Self {
        let host = host.and_then(|host| std::str::from_utf8(host).ok());
        let realm = match host {
            Some(host) if rules.auto_redirect => format!("https://{host}/auth/token"),
            _ => rules.realm.clone(),
        };
        let mut challenge = format!("Bearer realm={},service={}", quoted(&realm), quoted(&rules.service));
        if let Some(first) = wanted.first() {
            let actions: Vec<&str> = wanted.iter().map(|one| one.action).collect();
            let scope = format!("{}:{}:{}", first.kind, first.name, actions.join(","));
            challenge.push_str(",scope=");
            challenge.push_str(&quoted(&scope));
        }
        match reason {
            DeniedReason::NoToken => {}
            DeniedReason::InvalidToken(_) => challenge.push_str(",error=\"invalid_token\""),
            DeniedReason::InsufficientScope => challenge.push_str(",error=\"insufficient_scope\""),
        }
        Self { challenge, wanted, reason }
    }
}

/// A quoted string in which nothing can end the string, or the header.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // the reference writes them as Go does
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_string_it_stands_in() {
        assert_eq!(quoted("a\",error=\"x\\\n\0"), r#""a\",error=\"x\\\u000a\u0000""#);
    }
}
