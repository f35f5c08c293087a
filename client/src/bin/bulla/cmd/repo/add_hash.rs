//! `bulla repo add-hash`: stages a target by its length and hashes.

use std::collections::BTreeMap;

use clap::Args;
use tuf_schema::Digests;
use tuf_schema::digest::HashAlgorithm;
use tuf_schema::model::Target;

use super::RepoError;
use super::adding::Adding;
use super::arguments::Named;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// Length of the target in bytes
    #[arg(value_name = "BYTES")]
    length: u64,
    #[command(flatten)]
    hashes: Hashes,
    #[command(flatten)]
    adding: Adding,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct Hashes {
    /// SHA-256 of the target in hexadecimal
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// SHA-512 of the target in hexadecimal
    #[arg(long, value_name = "HEX")]
    sha512: Option<String>,
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let measure = || {
        let digests = Digests::new(digests(&arguments.hashes)?);
        Ok(Target { length: arguments.length, digests, custom: None })
    };
    let how = |target: &Target| {
        let hashes: Vec<_> = target.digests.by_name().map(|(name, _)| name).collect();
        format!(" by {} hash", hashes.join(", "))
    };
    arguments.adding.stage(&arguments.named, measure, how, context).await
}

fn digests(hashes: &Hashes) -> Result<BTreeMap<String, Vec<u8>>, RepoError> {
    let given = [(HashAlgorithm::Sha256, 32, &hashes.sha256), (HashAlgorithm::Sha512, 64, &hashes.sha512)];
    let mut digests = BTreeMap::new();
    for (algorithm, length, text) in given {
        let Some(text) = text else { continue };
        let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == length);
        digests.insert(algorithm.name().to_owned(), bytes.ok_or(RepoError::Digest(algorithm))?);
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sha256: Option<&str>, sha512: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>, RepoError> {
        digests(&Hashes { sha256: sha256.map(str::to_owned), sha512: sha512.map(str::to_owned) })
    }

    #[test]
    fn hashes_are_read_in_either_case_and_in_full_length_only() {
        let (short, long) = ("aB".repeat(32), "0f".repeat(64));
        assert_eq!(read(Some(&short), None).unwrap()["sha256"], [0xab; 32]);
        assert_eq!(read(Some(&short), Some(&long)).unwrap().len(), 2);
        for (sha256, sha512, wrong) in [
            (Some(&short[2..]), None, HashAlgorithm::Sha256),
            (Some("zz"), None, HashAlgorithm::Sha256),
            (Some(long.as_str()), None, HashAlgorithm::Sha256),
            (Some(short.as_str()), Some(short.as_str()), HashAlgorithm::Sha512),
        ] {
            let error = read(sha256, sha512).unwrap_err();
            assert!(matches!(error, RepoError::Digest(algorithm) if algorithm == wrong), "{error}");
        }
    }
}
