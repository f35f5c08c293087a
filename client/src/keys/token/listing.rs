//! Which tokens are there and what is on them, as far as they show it without a PIN.

use std::collections::BTreeSet;

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::Session;
use tuf_schema::PublicKey;

use super::error::TokenError;
use super::keys::public_key;
use super::session::{Found, Tokens, refused};
use super::{ObjectId, TokenName};

/// A token that is there.
#[derive(Clone, Debug)]
pub struct TokenShown {
    /// Which.
    pub name: TokenName,
    /// What its maker calls it.
    pub model: String,
    /// The key pairs on it whose public halves it shows.
    pub keys: Vec<TokenKeyShown>,
}

/// A key pair on a token.
#[derive(Clone, Debug)]
pub struct TokenKeyShown {
    /// Which object.
    pub object: ObjectId,
    /// Its label, as far as it is text.
    pub label: String,
    /// Its public half; nothing where it is of a kind that is not understood.
    pub public: Option<PublicKey>,
}

impl Tokens {
    /// Every token, and its keys. No PIN is needed.
    pub(in crate::keys) fn list(&self) -> Result<Vec<TokenShown>, TokenError> {
        self.all()?.iter().map(shown).collect()
    }

    /// Those of `names` that are not there.
    pub(in crate::keys) fn absent<'a>(
        &self,
        names: impl Iterator<Item = &'a TokenName>,
    ) -> Result<BTreeSet<TokenName>, TokenError> {
        let here: BTreeSet<_> = self.all()?.iter().map(Found::name).collect();
        Ok(names.filter(|name| !here.contains(name)).cloned().collect())
    }
}

fn shown(found: &Found) -> Result<TokenShown, TokenError> {
    let name = found.name();
    let session = found.library.open_ro_session(found.slot);
    let keys = session.and_then(|session| keys(&session)).map_err(|e| refused(&name, e))?;
    Ok(TokenShown { name, model: found.info.model().to_owned(), keys })
}

fn keys(session: &Session) -> Result<Vec<TokenKeyShown>, Error> {
    let mut listed = Vec::new();
    for handle in session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY)])? {
        let (mut id, mut label) = (Vec::new(), String::new());
        for attribute in session.get_attributes(handle, &[AttributeType::Id, AttributeType::Label])? {
            match attribute {
                Attribute::Id(found) => id = found,
                Attribute::Label(found) => label = String::from_utf8_lossy(&found).into_owned(),
                _ => {}
            }
        }
        let public = public_key(session, handle)?;
        listed.push(TokenKeyShown { object: ObjectId::from_bytes(id), label, public });
    }
    listed.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(listed)
}
