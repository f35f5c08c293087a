//! A policy as it is written: its members, each with its place in the text, before anything is made of them.

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use crate::config::WrittenPins;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPolicy {
    pub(super) mode: Option<WrittenMode>,
    pub(super) default: Option<Spanned<WrittenDefault>>,
    pub(super) freshness: Option<Spanned<WrittenFreshness>>,
    pub(super) pins: Option<Spanned<WrittenPins>>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<WrittenRule>>,
    #[serde(default)]
    pub(super) exception: Vec<Spanned<WrittenException>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenMode {
    Enforce,
    Audit,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenDefault {
    Refuse,
    Signed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRule {
    pub(super) images: Spanned<Vec<Spanned<String>>>,
    pub(super) signers: Spanned<WrittenSigners>,
    pub(super) freshness: Option<Spanned<WrittenFreshness>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSigners {
    pub(super) any: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) all: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) of: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) at_least: Option<Spanned<i64>>,
    pub(super) anyone: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFreshness {
    pub(super) fetched_within: Option<Spanned<String>>,
    pub(super) valid_for: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenException {
    pub(super) image: Spanned<String>,
    pub(super) until: Spanned<Datetime>,
    pub(super) reason: Spanned<String>,
    #[serde(default)]
    pub(super) unsigned: bool,
}
