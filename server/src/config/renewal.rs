//! `renewal`: what is signed anew in the background. Our own section; the reference does nothing in the background.

use std::time::Duration;

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;
use crate::read::RenewalSettings;

const USED_WITHIN: &str = "renewal.used_within_days";

pub(super) const KEYS: &[Key] = &[Key::new(USED_WITHIN, "90")];

const DAY: u64 = 24 * 60 * 60;

pub(super) fn read(document: &Document) -> Result<RenewalSettings, ConfigError> {
    let days = document.number(USED_WITHIN, 1, 36_500)?;
    Ok(days.map_or_else(RenewalSettings::default, |days| RenewalSettings {
        used_within: Duration::from_secs(days.saturating_mul(DAY)),
    }))
}
