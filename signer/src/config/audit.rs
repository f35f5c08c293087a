//! `audit`: where the chain of records is kept and how. Our keys.

use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;
use super::settings::Settings;
use crate::audit::name::SignerName;

const MEGABYTE: u64 = 1 << 20;
const DEFAULT_FILE_MEGABYTES: u32 = 64;
const MOST_FILE_MEGABYTES: u32 = 4096;
const DEFAULT_HEAD_SECONDS: u32 = 1;
const MOST_HEAD_SECONDS: u32 = 3600;

/// Where the machine's name stands.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Where and how records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The directory of chains.
    pub directory: PathBuf,
    /// What the chain of this signer is called.
    pub signer: SignerName,
    /// The directory that heads go to beside the key database.
    pub second_place: Option<PathBuf>,
    /// Whether a record is on the disk before the answer leaves.
    pub is_synced: bool,
    /// When the next file is begun, in bytes.
    pub file_bytes: u64,
    /// How often heads are signed while something is recorded.
    pub head_interval: Duration,
}

/// `None` without a directory: then records are lines of the log only.
pub(super) fn read(settings: &Settings) -> Result<Option<AuditSettings>, ConfigError> {
    let Some(directory) = settings.path("audit.directory")? else { return Ok(None) };
    let signer = match settings.text("audit.signer")? {
        Some(name) => SignerName::parse(&name),
        None => std::fs::read_to_string(HOST_NAME).ok().and_then(|name| SignerName::parse(name.trim())),
    };
    let is_synced = match settings.text("audit.sync")?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(ConfigError::WrongType { name: "audit.sync", expected: "true or false" }),
    };
    let file_megabytes = settings.number("audit.file_megabytes", 1..=MOST_FILE_MEGABYTES)?;
    let head_seconds = settings.number("audit.head_seconds", 1..=MOST_HEAD_SECONDS)?;
    Ok(Some(AuditSettings {
        directory,
        signer: signer.ok_or(ConfigError::NoSignerName)?,
        second_place: settings.path("audit.second_place")?,
        is_synced,
        file_bytes: u64::from(file_megabytes.unwrap_or(DEFAULT_FILE_MEGABYTES)) * MEGABYTE,
        head_interval: Duration::from_secs(head_seconds.unwrap_or(DEFAULT_HEAD_SECONDS).into()),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::settings::Environment;
    use super::*;

    fn read(members: &str) -> Result<Option<AuditSettings>, ConfigError> {
        let text = format!(r#"{{"audit": {{{members}}}}}"#);
        super::read(&Settings::parse(&text, Path::new("/etc/signer"), &Environment::default()).unwrap())
    }

    #[test]
    fn without_a_directory_there_is_no_chain() {
        assert_eq!(read(r#""signer": "s", "sync": false"#).unwrap(), None);
    }

    #[test]
    fn records_wait_for_the_disk_unless_that_is_relaxed() {
        let settings = read(r#""directory": "audit", "signer": "signer-1""#).unwrap().unwrap();
        let expected = AuditSettings {
            directory: "/etc/signer/audit".into(),
            signer: SignerName::parse("signer-1").unwrap(),
            second_place: None,
            is_synced: true,
            file_bytes: 64 << 20,
            head_interval: Duration::from_secs(1),
        };
        assert_eq!(settings, expected);
        let relaxed =
            read(r#""directory": "audit", "signer": "signer-1", "sync": false, "second_place": "/mnt/heads""#);
        let second_place = Some("/mnt/heads".into());
        assert_eq!(relaxed.unwrap().unwrap(), AuditSettings { is_synced: false, second_place, ..expected });
        let refusal = read(r#""directory": "audit", "sync": "maybe""#).unwrap_err();
        assert!(matches!(refusal, ConfigError::WrongType { name: "audit.sync", .. }), "{refusal}");
    }

    #[test]
    fn a_name_that_is_no_file_s_name_is_refused() {
        assert!(matches!(read(r#""directory": "audit", "signer": "a/b""#), Err(ConfigError::NoSignerName)));
    }

    #[test]
    fn sizes_and_times_have_bounds() {
        for (name, most) in [("file_megabytes", 4096), ("head_seconds", 3600)] {
            for number in [1, most] {
                read(&format!(r#""directory": "a", "signer": "s", "{name}": {number}"#)).unwrap();
            }
            for number in [0, most + 1] {
                let refusal = read(&format!(r#""directory": "a", "signer": "s", "{name}": {number}"#)).unwrap_err();
                assert!(matches!(refusal, ConfigError::OutOfRange { .. }), "{name} {number}: {refusal}");
            }
        }
    }
}
