//! What a token says, once its signature has been verified.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use tuf_schema::{Gun, UtcTime};

use super::access::Subject;
use super::challenge::Wanted;
use super::token::TokenError;

/// How far the clocks of token service and server may differ, in seconds; the reference's.
const LEEWAY_SECONDS: i64 = 60;

/// The claims of a token. Only [`super::token::SignedToken::verify`] reads them, after the signature.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "seconds")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    nbf: Option<i64>,
    access: Option<Vec<Grant>>,
    /// Not checked by anybody, so anything may stand here.
    #[serde(default)]
    sub: Option<Value>,
}

/// One service or several: the reference refuses a list, RFC 7519 (4.1.3) allows it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Grant {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Option<Vec<String>>,
}

impl Grant {
    /// The action `*` is every other.
    fn allows(&self, wanted: &str) -> bool {
        self.actions.as_deref().unwrap_or_default().iter().any(|action| action == wanted || action == "*")
    }
}

impl Claims {
    /// Whether the token was made by `issuer` for `service`, and counts now.
    pub(super) fn check(&self, issuer: &str, service: &str, now: UtcTime) -> Result<(), TokenError> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(TokenError::ForeignIssuer);
        }
        let meant = match &self.aud {
            Some(Audience::One(audience)) => audience == service,
            Some(Audience::Several(audiences)) => audiences.iter().any(|audience| audience == service),
            None => false,
        };
        if !meant {
            return Err(TokenError::OtherAudience);
        }
        let now = now.unix_seconds();
        let end = self.exp.ok_or(TokenError::WithoutEnd)?;
        if now > end.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|start| now < start.saturating_sub(LEEWAY_SECONDS)) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }

    /// Whom the token was made out to; nobody, if it was given to everybody.
    pub(super) fn subject(&self) -> Option<Subject> {
        self.sub.as_ref()?.as_str().filter(|name| !name.is_empty()).map(Subject::named)
    }

    /// The repositories of which the token grants `action`; a name that no repository can have is none of them.
    pub(super) fn repositories(&self, action: &str) -> BTreeSet<Gun> {
        let grants = self.access.as_deref().unwrap_or_default().iter();
        let granted = grants.filter(|grant| grant.kind == Wanted::REPOSITORY && grant.allows(action));
        granted.filter_map(|grant| Gun::parse(&grant.name).ok()).collect()
    }

    /// Whether the token grants `wanted`. The action `*` grants every other.
    pub(super) fn grant(&self, wanted: &Wanted) -> bool {
        let grants = self.access.as_deref().unwrap_or_default();
        grants.iter().any(|grant| grant.kind == wanted.kind && grant.name == wanted.name && grant.allows(wanted.action))
    }
}

/// A time of a token: seconds since 1970, a fraction of which is cut off.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    if let Some(whole) = number.as_i64() {
        return Ok(Some(whole));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and fractions are not wanted")]
    Ok(number.as_f64().map(|float| float as i64))
}
