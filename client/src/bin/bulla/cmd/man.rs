//! `bulla man`: manual pages, one for each verb.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Output, Show};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory for the pages, which is made if it is not there: share/man/man1, say
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// The pages that were written.
#[derive(Serialize)]
struct Written {
    pages: Vec<PathBuf>,
}

impl Show for Written {
    fn text(&self) -> String {
        let lines = self.pages.iter().map(|page| page.display().to_string());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs the verb. `program` is what the arguments are read by.
pub(crate) fn run(arguments: &Arguments, program: Command, out: Output) -> Result<Exit, CliError> {
    let directory = &arguments.directory;
    let pages =
        write(program, directory).map_err(|source| CliError::WriteManual { directory: directory.clone(), source })?;
    out.show(&Written { pages })?;
    Ok(Exit::Success)
}

fn write(program: Command, directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    // Without pages about help, which only says what these say.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    write_all(&program, directory, &mut pages)?;
    Ok(pages)
}

fn write_all(verb: &Command, directory: &Path, pages: &mut Vec<PathBuf>) -> io::Result<()> {
    pages.push(Man::new(verb.clone()).generate_to(directory)?);
    verb.get_subcommands().try_for_each(|verb| write_all(verb, directory, pages))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_verb_has_a_page_with_its_options() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("share/man/man1");
        let program = crate::Arguments::command();
        let pages = write(program.clone(), &below).unwrap();
        let read = |page: &str| std::fs::read_to_string(below.join(page)).unwrap();
        for family in program.get_subcommands() {
            for verb in family.get_subcommands() {
                let page = read(&format!("bulla-{}-{}.1", family.get_name(), verb.get_name()));
                for option in verb.get_arguments().filter_map(|argument| argument.get_long()) {
                    assert!(page.contains(&option.replace('-', "\\-")), "{} {option}", verb.get_name());
                }
            }
        }
        assert!(read("bulla.1").contains("refused: unsigned"), "the table of exit codes");
        assert!(pages.iter().all(|page| page.is_file()));
    }
}
