//! The verbs of `bulla-server admin`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bulla_server::admin::{
    self, AdvanceRequest, DEFAULT_ADVANCE, ListRequest, MAX_ADVANCE, MAX_DAYS, MAX_LISTED, PruneRequest, Verdict,
    VerifyRequest,
};
use bulla_server::clock::SystemClock;
use bulla_server::config::Config;
use bulla_server::logging::STARTUP;
use tuf_schema::Gun;

/// What to do with the database.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AdminVerb {
    /// Looks whether every role of every repository can be read and believed.
    ///
    /// Prints a line for each thing that is wrong, and a summary. Status 0: nothing is wrong; 1: could not look;
    /// 2: something is wrong. The server may go on serving meanwhile.
    Verify {
        /// Only this repository
        #[arg(long, value_name = "GUN", value_parser = gun)]
        gun: Option<Gun>,
        /// Signs snapshot and timestamp anew where that mends a repository; deletes nothing
        #[arg(long)]
        repair: bool,
        /// What `bulla-signer -config FILE keys list --output json` printed: tells what the signer signed and this
        /// database lacks, as after it was put back from a backup
        #[arg(long, value_name = "FILE")]
        signer_keys: Option<PathBuf>,
        /// How lines are written: text or json
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Prints the stored repositories in the order of their names: the newest version of each base role, and in how many
    /// days the first of these ends.
    ///
    /// A page at a time; the last line says what to pass to --after for the next one. Only reads. Status 0: all of it could
    /// be told; 1: could not look; 2: something stored cannot be read.
    List {
        /// Only repositories whose names begin with this
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// Only repositories behind this name
        #[arg(long, value_name = "GUN")]
        after: Option<String>,
        /// How many, at most 1000
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LISTED)))]
        limit: u32,
        /// How lines are written: text or json
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Prints each role of a repository: version, date, how many versions are stored, digest, and whose keys sign it.
    ///
    /// Only reads. Status 0: all of it could be told; 1: could not look; 2: something stored cannot be read.
    Show {
        /// The repository
        #[arg(value_name = "GUN", value_parser = gun)]
        gun: Gun,
        /// How lines are written: text or json
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Removes superseded files that nobody is led to any more: of each role but root the versions whose successor was
    /// stored at least so many days ago.
    ///
    /// Every root stays, and all that is current, so that a client updates however old its cache is. Prints a line for each
    /// repository of which something is removed, and a summary. Status 0: done; 1: could not; 2: of some repositories what
    /// is current cannot be read, and they are left alone.
    Prune {
        /// How long ago a newer version must have been stored
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
        superseded_days: u32,
        /// Only this repository
        #[arg(long, value_name = "GUN", value_parser = gun)]
        gun: Option<Gun>,
        /// Prints what would be removed, and removes nothing
        #[arg(long)]
        dry_run: bool,
        /// How lines are written: text or json
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Copies everything, as it stands at one moment, into a new file, while the server goes on.
    Backup {
        /// The file, which must not exist; room for twice of it is needed beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copies everything of a backup into the configured database, which must be empty.
    ///
    /// All of it arrives or nothing. With --advance goes on as `admin advance`, so that clients that saw what came after the
    /// backup go on. Status 2: restored, and `admin advance` has something to say.
    Restore {
        /// What `admin backup` wrote; it is only read, and copied into TMPDIR
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Sign snapshot and timestamp of every repository anew, so far above the backup's versions; as far as `admin advance`
        /// if no number is given
        #[arg(long, value_name = "VERSIONS", num_args = 0..=1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ADVANCE)))]
        advance: Option<Option<u32>>,
        /// As for `admin advance`
        #[arg(long, value_name = "DIRECTORY", requires = "advance")]
        seen: Vec<PathBuf>,
    },
    /// After the database was put back from a backup: signs snapshot and timestamp of every repository far above what is
    /// stored, so that clients that saw later ones go on.
    ///
    /// With --seen it first takes back what a client's trust directory holds and the database has lost, by the rules of every
    /// publish. Run it before the server is started, with the signer running. Deletes nothing. Status 0: done; 1: could
    /// not; 2: something was refused, or only its publisher can go on with a repository.
    Advance {
        /// How far above the stored versions
        #[arg(long, value_name = "VERSIONS", default_value_t = DEFAULT_ADVANCE, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ADVANCE)))]
        by: u32,
        /// A trust directory of somebody who published or pulled after the backup, such as ~/.docker/trust; may be given
        /// again
        #[arg(long, value_name = "DIRECTORY")]
        seen: Vec<PathBuf>,
        /// Only this repository
        #[arg(long, value_name = "GUN", value_parser = gun)]
        gun: Option<Gun>,
        /// How lines are written: text or json
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Copies everything into another database, which must be empty.
    ///
    /// All of it arrives or nothing, as it stood at one moment; identifiers, bytes and the change feed stay the same.
    Copy {
        /// The configuration of the server that is to serve the copy; its storage section is meant. No environment
        /// variable is laid over it
        #[arg(long, value_name = "FILE")]
        to_config: PathBuf,
    },
}

/// The status when something is wrong with what is stored.
const FINDINGS: u8 = 2;

/// Does what the verb says. The configuration was read, and what it warns of was said.
pub(crate) fn run(verb: AdminVerb, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let mut output = std::io::stdout();
    runtime.block_on(work(verb, config, &mut output))
}

async fn work(verb: AdminVerb, config: &Config, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let clock = Arc::new(SystemClock);
    match verb {
        AdminVerb::Verify { gun, repair, signer_keys, output: format } => {
            let request = VerifyRequest { gun, repair, signer_keys, json: format == "json" };
            Ok(status(admin::verify(config, &request, clock, output).await?))
        }
        AdminVerb::List { prefix, after, limit, output: format } => {
            let request = ListRequest { prefix, after, limit, json: format == "json" };
            Ok(status(admin::list(config, &request, clock, output).await?))
        }
        AdminVerb::Show { gun, output: format } => {
            Ok(status(admin::show(config, &gun, format == "json", clock, output).await?))
        }
        AdminVerb::Prune { superseded_days, gun, dry_run, output: format } => {
            let request = PruneRequest { superseded_days, gun, dry_run, json: format == "json" };
            Ok(status(admin::prune(config, &request, clock, output).await?))
        }
        AdminVerb::Backup { file } => {
            admin::backup(&config.storage, &file, clock, output).await?;
            Ok(ExitCode::SUCCESS)
        }
        AdminVerb::Restore { file, advance, seen } => {
            let advance = advance.map(|by| by.unwrap_or(DEFAULT_ADVANCE));
            let advance = advance.map(|by| AdvanceRequest { by, seen, gun: None, json: false });
            Ok(status(admin::restore(config, &file, advance.as_ref(), clock, output).await?))
        }
        AdminVerb::Advance { by, seen, gun, output: format } => {
            let request = AdvanceRequest { by, seen, gun, json: format == "json" };
            Ok(status(admin::advance(config, &request, clock, output).await?))
        }
        AdminVerb::Copy { to_config } => {
            // The environment is laid over --config alone: over both, it would make them the same database.
            let (to, warnings) = Config::load(&to_config, std::iter::empty())?;
            for warning in warnings {
                tracing::warn!(target: STARTUP, "{warning}");
            }
            admin::copy(&config.storage, &to.storage, clock, output).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Whole => ExitCode::SUCCESS,
        Verdict::Findings => ExitCode::from(FINDINGS),
    }
}

fn gun(text: &str) -> Result<Gun, String> {
    Gun::parse(text).map_err(|error| error.to_string())
}
