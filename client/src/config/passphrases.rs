//! Passphrases in the environment: docker's variables, and notary's.

use std::ffi::OsString;

use tuf_schema::sign::Passphrase;

/// Passphrases given in the environment; docker's variables come before notary's.
#[derive(Debug, Default)]
pub struct EnvironmentPassphrases {
    /// For root keys: `DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE`, `NOTARY_ROOT_PASSPHRASE`.
    pub root: Vec<Passphrase>,
    /// For targets keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_TARGETS_PASSPHRASE`.
    pub targets: Vec<Passphrase>,
    /// For snapshot keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_SNAPSHOT_PASSPHRASE`.
    pub snapshot: Vec<Passphrase>,
    /// For signers' keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_DELEGATION_PASSPHRASE`.
    pub signer: Vec<Passphrase>,
}

impl EnvironmentPassphrases {
    /// The passphrases that `variable` tells, asked by name; [`super::process_variable`] asks this process' environment.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        const REPOSITORY: &str = "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE";
        let text = |name: &str| super::text(&variable, name);
        let passphrases =
            |names: [&str; 2]| names.into_iter().filter_map(text).map(Passphrase::from_text).collect::<Vec<_>>();
        Self {
            root: passphrases(["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "NOTARY_ROOT_PASSPHRASE"]),
            targets: passphrases([REPOSITORY, "NOTARY_TARGETS_PASSPHRASE"]),
            snapshot: passphrases([REPOSITORY, "NOTARY_SNAPSHOT_PASSPHRASE"]),
            signer: passphrases([REPOSITORY, "NOTARY_DELEGATION_PASSPHRASE"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_passphrase_comes_before_notarys() {
        let both = [("NOTARY_TARGETS_PASSPHRASE", "second"), ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "first")];
        let passphrases = EnvironmentPassphrases::from_variables(|name| {
            both.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
        });
        let texts: Vec<_> = passphrases.targets.iter().map(|p| p.expose().to_vec()).collect();
        assert_eq!(texts, [b"first".to_vec(), b"second".to_vec()]);
        assert!(passphrases.root.is_empty());
    }
}
