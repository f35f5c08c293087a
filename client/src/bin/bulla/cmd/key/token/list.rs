//! `bulla key token list`: the tokens that are there, and the keys on them.

use bulla::keys::token::TokenShown;
use bulla::keys::{Keyring, KeyringError};
use serde::Serialize;
use tuf_schema::key::{Curve, KeyShape};

use super::KeyError;
use crate::cmd::table;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Show;

/// The tokens.
#[derive(Serialize)]
struct Listed {
    tokens: Vec<TokenRow>,
}

#[derive(Serialize)]
struct TokenRow {
    label: String,
    serial: String,
    model: String,
    keys: Vec<KeyRow>,
}

#[derive(Serialize)]
struct KeyRow {
    object: String,
    label: String,
    algorithm: Option<String>,
    id: Option<String>,
    /// What it is for here; nothing where it is not used.
    role: Option<String>,
    gun: Option<String>,
}

impl Show for Listed {
    fn text(&self) -> String {
        if self.tokens.is_empty() {
            return "No tokens found.".to_owned();
        }
        let texts = self.tokens.iter().map(|token| {
            let rows = token.keys.iter().map(|key| {
                let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let role = match &key.gun {
                    Some(gun) => format!("{} of {gun}", text(&key.role)),
                    None => text(&key.role),
                };
                [key.object.clone(), text(&key.algorithm), text(&key.id), role, key.label.clone()]
            });
            let head = format!("{} (serial number {}, {})", token.label, token.serial, token.model);
            if token.keys.is_empty() {
                return format!("{head}\nno keys");
            }
            let table = table::render(["OBJECT", "ALGORITHM", "KEY ID", "ROLE HERE", "LABEL"], rows);
            format!("{head}\n{}", table.trim_end())
        });
        texts.collect::<Vec<_>>().join("\n\n")
    }
}

pub(super) fn run(context: &Context) -> Result<Exit, CliError> {
    let keys = context.keyring()?;
    let tokens = keys.tokens().map_err(KeyringError::from).map_err(KeyError::from)?;
    let tokens = tokens.iter().map(|token| row(token, &keys)).collect::<Result<_, _>>()?;
    context.out.show(&Listed { tokens })?;
    Ok(Exit::Success)
}

fn row(token: &TokenShown, keys: &Keyring) -> Result<TokenRow, KeyError> {
    let stored = keys.list()?;
    let key = |key: &bulla::keys::token::TokenKeyShown| {
        let id = key.public.as_ref().map(|public| public.id().clone());
        let here = id.as_ref().and_then(|id| stored.iter().find(|stored| &stored.id == id && stored.token().is_some()));
        KeyRow {
            object: key.object.to_string(),
            label: key.label.clone(),
            algorithm: key.public.as_ref().and_then(|public| public.shape()).map(algorithm),
            id: id.map(|id| id.to_string()),
            role: here.map(|here| here.role.to_string()),
            gun: here.and_then(|here| here.gun.as_ref()).map(ToString::to_string),
        }
    };
    Ok(TokenRow {
        label: token.name.label.clone(),
        serial: token.name.serial.clone(),
        model: token.model.clone(),
        keys: token.keys.iter().map(key).collect(),
    })
}

/// The name of an algorithm as `generate` takes it.
pub(super) fn algorithm(shape: KeyShape) -> String {
    match shape {
        KeyShape::Ecdsa(Curve::P256) => "ecdsa".to_owned(),
        KeyShape::Ecdsa(Curve::P384) => "p384".to_owned(),
        KeyShape::Ecdsa(Curve::P521) => "p521".to_owned(),
        KeyShape::Ed25519 => "ed25519".to_owned(),
        KeyShape::Rsa { .. } => "rsa".to_owned(),
    }
}
