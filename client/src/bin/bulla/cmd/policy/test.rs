//! `bulla policy test`: reads the policy, and says what it decides of images.

use clap::Args;
use serde::Serialize;

use crate::cmd::explained::{File, explain};
use crate::cmd::reading::Cached;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::Show;

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Images, by tag or by digest; without any no server is asked
    #[arg(value_name = "IMAGE:TAG|IMAGE@DIGEST")]
    images: Vec<String>,
    #[command(flatten)]
    cached: Cached,
}

/// A policy that was understood.
#[derive(Serialize)]
struct Understood {
    policy: File,
    /// Exceptions that let nothing pass any more.
    ended: Vec<String>,
}

impl Show for Understood {
    fn text(&self) -> String {
        let lines = [self.policy.line()].into_iter().chain(self.ended.iter().cloned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb. A policy that is not understood has ended the run before.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let Some(policy) = &context.config.policy else {
        return Err(CliError::NoPolicy(context.config.trust.policy_file()));
    };
    if !arguments.images.is_empty() {
        return explain(&arguments.images, &arguments.cached, context).await;
    }
    let ended = policy.ended(context.now).iter().map(ToString::to_string).collect();
    context.out.show(&Understood { policy: File::of(policy), ended })?;
    Ok(Exit::Success)
}
