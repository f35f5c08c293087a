//! What is on the tokens, held against the rows of the key store: a key that nobody's row names is in nobody's use.

use std::io;
use std::sync::Arc;

use tuf_schema::key::KeyId;

use super::{ObjectId, Token, TokenError, TokenName};
use crate::clock::Clock;
use crate::config::Config;
use crate::life::{Entry, Keys, KeysError};

/// The tokens and the rows.
pub struct Inventory {
    tokens: Vec<Token>,
    keys: Keys,
}

/// A private key object on a token.
#[derive(Debug)]
pub struct Item {
    /// The token.
    pub token: TokenName,
    /// The object's `CKA_ID` in hexadecimal.
    pub object: String,
    /// Its label.
    pub label: String,
    /// The id of the key, where the token shows a public half that is understood.
    pub key: Option<KeyId>,
    /// The row of the key, also of a deleted one.
    pub row: Option<Entry>,
}

/// Why the tokens cannot be listed, or an object not destroyed.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The configuration names none.
    #[error("no token is configured: name one under tokens")]
    NoTokens,
    /// There is no such token.
    #[error("no token is called {0}")]
    NoSuchToken(String),
    /// There is no such object.
    #[error("token {token} has no private key with id {object}")]
    NoSuchObject {
        /// The token.
        token: TokenName,
        /// The id.
        object: String,
    },
    /// A row names the object.
    #[error("object {object} is key {key}, which has a row; purge that first")]
    HasARow {
        /// The object.
        object: String,
        /// The key.
        key: KeyId,
    },
    /// Whether a row names the object cannot be told.
    #[error(
        "object {object} shows no public half, so it cannot be told whether a row names it; destroy it with the token's own tools"
    )]
    CannotTell {
        /// The object.
        object: String,
    },
    /// The token failed.
    #[error("the token failed")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key store failed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// No thread can be started.
    #[error("no thread can be started to ask tokens on")]
    Threads(#[source] io::Error),
}

impl Inventory {
    /// Over the configured tokens and the rows.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub fn new(config: &Config, keys: Keys, clock: &Arc<dyn Clock>) -> Result<Self, InventoryError> {
        if config.tokens.is_empty() {
            return Err(InventoryError::NoTokens);
        }
        let tokens = config.tokens.iter().map(|settings| Token::new(settings.clone(), Arc::clone(clock)));
        Ok(Self { tokens: tokens.collect::<io::Result<_>>().map_err(InventoryError::Threads)?, keys })
    }

    /// Tells every private key object of every token.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub async fn list(&self) -> Result<Vec<Item>, InventoryError> {
        let mut items = Vec::new();
        for token in &self.tokens {
            items.extend(self.list_one(token).await?);
        }
        Ok(items)
    }

    /// Destroys an object that no row names, also none of a deleted key.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub async fn destroy(&self, token: &str, object: &str) -> Result<(), InventoryError> {
        let named = self.tokens.iter().find(|one| one.name().as_str() == token);
        let token = named.ok_or_else(|| InventoryError::NoSuchToken(token.to_owned()))?;
        let no_such = || InventoryError::NoSuchObject { token: token.name().clone(), object: object.to_owned() };
        let id = ObjectId::parse(object).ok_or_else(no_such)?;
        let items = self.list_one(token).await?;
        let item = items.into_iter().find(|item| item.object == id.to_string()).ok_or_else(no_such)?;
        match item {
            Item { row: Some(_), key: Some(key), object, .. } => Err(InventoryError::HasARow { object, key }),
            Item { key: None, object, .. } => Err(InventoryError::CannotTell { object }),
            _ => Ok(token.destroy(id).await?),
        }
    }

    async fn list_one(&self, token: &Token) -> Result<Vec<Item>, InventoryError> {
        let mut items = Vec::new();
        for listed in token.list().await? {
            let key = listed.public.map(|public| public.id().clone());
            let row = match &key {
                Some(key) => self.row(key).await?,
                None => None,
            };
            let (token, object) = (token.name().clone(), listed.id.to_string());
            items.push(Item { token, object, label: listed.label, key, row });
        }
        Ok(items)
    }

    async fn row(&self, key: &KeyId) -> Result<Option<Entry>, InventoryError> {
        match self.keys.show(key).await {
            Ok(row) => Ok(Some(row)),
            Err(KeysError::NoSuchKey(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<TokenError> for InventoryError {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}
