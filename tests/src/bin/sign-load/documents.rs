//! The documents that are signed: a snapshot of a small repository and a timestamp, in the canonical form that signers are given.

use std::fmt::Write as _;

/// What is signed by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lists root and targets.
    Snapshot,
    /// Lists the snapshot.
    Timestamp,
}

impl Kind {
    /// Of what kind the key with this number is.
    pub(crate) fn of_number(number: usize) -> Self {
        if number.is_multiple_of(2) { Self::Snapshot } else { Self::Timestamp }
    }

    /// The role's name in the contract.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// The kind of this role's name.
    pub(crate) fn parse(role: &str) -> Option<Self> {
        [Self::Snapshot, Self::Timestamp].into_iter().find(|kind| kind.role() == role)
    }

    /// The bytes to sign for a version.
    pub(crate) fn document(self, version: u64) -> Vec<u8> {
        let (name, listed): (_, &[&str]) = match self {
            Self::Snapshot => ("Snapshot", &["root", "targets"]),
            Self::Timestamp => ("Timestamp", &["snapshot"]),
        };
        let mut text = format!(r#"{{"_type":"{name}","expires":"2029-11-22T05:00:00.123456789Z","meta":{{"#);
        for (number, role) in listed.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            // digests in base64, as the reference writes them (the last letter stands for zeros only, as in every
            // encoding); these differ by version, as those of real ones do
            let _ = write!(
                text,
                r#"{comma}"{role}":{{"hashes":{{"sha256":"{version:042}A=","sha512":"{version:085}A=="}},"length":{}}}"#,
                1000 + version % 1000
            );
        }
        let _ = write!(text, r#"}},"version":{version}}}"#);
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_json_with_their_version() {
        for kind in [Kind::Snapshot, Kind::Timestamp] {
            let document: serde_json::Value = serde_json::from_slice(&kind.document(7)).unwrap();
            assert_eq!(document["version"], 7);
            assert_eq!(document["_type"].as_str().unwrap().to_lowercase(), kind.role());
        }
    }
}
