//! `bulla completions`: what a shell needs to complete verbs and options.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs the verb. `program` is what the arguments are read by.
pub(crate) fn run(arguments: &Arguments, program: Command, out: Output) -> Result<Exit, CliError> {
    out.data(script(arguments.shell, program).trim_end())?;
    Ok(Exit::Success)
}

fn script(shell: Shell, mut program: Command) -> String {
    let (name, mut script) = (program.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut program, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};

    use super::*;

    /// Every verb, with those before it.
    fn verbs(command: &Command) -> Vec<String> {
        let below = |verb: &Command| [vec![verb.get_name().to_owned()], verbs(verb)].concat();
        command.get_subcommands().flat_map(below).collect()
    }

    #[test]
    fn every_shell_completes_every_verb() {
        let program = crate::Arguments::command();
        let verbs = verbs(&program);
        assert!(verbs.len() > 10, "{verbs:?}");
        for shell in Shell::value_variants() {
            let script = script(*shell, program.clone());
            for verb in &verbs {
                assert!(script.contains(verb), "{shell} does not complete {verb}");
            }
            assert!(!script.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "{shell}");
        }
    }
}
