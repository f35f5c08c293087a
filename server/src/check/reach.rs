//! Whether the database and the signer answer, and the database's tables are of a version that can be used.

use std::error::Error;
use std::time::Duration;

use bulla_database::{Database, MySql, PoolSettings, Postgres};

use super::Finding;
use crate::app;
use crate::config::{Config, RemoteSigner, StorageConfig, TrustConfig};
use crate::signer::RoleSigner;
use crate::signer::grpc::GrpcSigner;
use crate::store::sql::{refuse_old_mysql_tables, refuse_old_postgres_tables};
use crate::watched::NamedFile;

/// Whoever asks stands before a terminal.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(database(&config.storage).await);
    if let TrustConfig::Remote(remote) = &config.trust {
        findings.extend(signer(remote).await);
    }
    findings
}

async fn database(storage: &StorageConfig) -> Option<Finding> {
    let settings = PoolSettings { max_connections: 1, acquire_timeout: PATIENCE, statement_timeout: PATIENCE };
    let address = storage.address();
    let what = format!("storage.db_url: {address}");
    let usable = match storage {
        StorageConfig::Memory | StorageConfig::Sqlite { .. } => return None,
        StorageConfig::Postgres(named) => match Database::<Postgres>::postgres(&named.dsn, settings).await {
            Ok(database) => {
                let usable = refuse_old_postgres_tables(&database).await;
                database.close().await;
                usable
            }
            Err(failure) => return Some(Finding::Refused(unusable(&what, &failure))),
        },
        StorageConfig::MySql(named) => match Database::<MySql>::mysql(&named.dsn, settings).await {
            Ok(database) => {
                let usable = refuse_old_mysql_tables(&database).await;
                database.close().await;
                usable
            }
            Err(failure) => return Some(Finding::Refused(unusable(&what, &failure))),
        },
    };
    Some(match usable {
        Ok(()) => Finding::Good(format!("{what} answers")),
        Err(error) => Finding::Refused(unusable(&what, &error)),
    })
}

/// The server starts without its signer, so that it is no more than warned of.
async fn signer(remote: &RemoteSigner) -> Option<Finding> {
    let address = format!("{}:{}", remote.host, remote.port);
    // what cannot be read was said before
    let contents: Vec<_> = app::files_of_signer(remote).iter().map(NamedFile::read).collect::<Result<_, _>>().ok()?;
    let signer = GrpcSigner::new(app::settings(remote, &contents)).ok()?;
    let what = format!("trust_service.hostname: the signer at {address}");
    Some(match signer.check().await {
        Ok(()) => Finding::Good(format!("{what} answers and is ready")),
        Err(error) => {
            let said = unusable(&what, &error);
            Finding::Warning(format!("{said}: the server starts and serves reads; publishes are 503 until it does"))
        }
    })
}

/// What failed and the innermost cause; what lies between repeats both.
fn unusable(what: &str, error: &dyn Error) -> String {
    let mut innermost: Option<&dyn Error> = None;
    let mut cause = error.source();
    while let Some(error) = cause {
        innermost = Some(error);
        cause = error.source();
    }
    match innermost {
        Some(innermost) if !error.to_string().contains(&innermost.to_string()) => {
            let first = error.to_string();
            // a status of gRPC shows its own insides
            let first = first.split_once(": code:").map_or(first.as_str(), |(first, _)| first);
            format!("{what} cannot be used: {first}: {innermost}")
        }
        _ => format!("{what} cannot be used: {error}"),
    }
}
