//! `docker-NAME`: the program as docker's CLI plugin, which docker finds by its file's name.
//!
//! Docker calls `docker-NAME docker-cli-plugin-metadata`, `docker-NAME [docker's options] NAME VERB ...`,
//! `docker-NAME help NAME ...` and `docker-NAME __complete NAME ...`. The verbs are those of `bulla trust`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, stdout};
use std::path::{Path, PathBuf};

use bulla::engine::Engine;
use bulla::engine::options::{Known, OptionError, Takes, read};
use serde::Serialize;

use crate::output::{Show, json};

/// What a plugin's file is named before its own name.
const PREFIX: &str = "docker-";
/// The word that docker asks for the metadata with.
const METADATA: &str = "docker-cli-plugin-metadata";
/// The words that docker asks for completions with.
const COMPLETE: [&str; 2] = ["__complete", "__completeNoDesc"];
/// The variable that names the docker that was called.
const ORIGINAL: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";
/// The variable that names the socket by which it tells that it is to end.
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";
/// Docker's own options that take nothing; it hands them on, and they choose the engine.
const FLAGS: &str = "D,debug tls tlsverify";
/// Those that take a value.
const VALUES: &str = "config c,context H,host l,log-level tlscacert tlscert tlskey";
/// What our own texts call the verbs.
const OWN_COMMAND: &str = "bulla trust ";

/// The name that the program was called under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// Its own.
    Bulla,
    /// That of a plugin. It lives as long as the process.
    Plugin(&'static str),
}

/// What docker, or whoever called, wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What the plugin is.
    Metadata,
    /// How these words may go on.
    Completion(Vec<OsString>),
    /// To run these words.
    Command(Vec<OsString>),
}

/// How the program was called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) called: Called,
    pub(crate) asked: Asked,
    /// Docker's directory, if docker was told of another.
    pub(crate) docker_directory: Option<PathBuf>,
    /// The docker that is run, with the options that it was called with.
    pub(crate) engine: Engine,
}

/// What docker wants to know of a plugin.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Metadata {
    schema_version: &'static str,
    vendor: &'static str,
    version: &'static str,
    short_description: &'static str,
}

/// How a line may go on.
#[derive(Serialize)]
pub(crate) struct Completions(Vec<String>);

impl Show for Metadata {
    fn text(&self) -> String {
        json(self).unwrap_or_default()
    }
}

impl Show for Completions {
    /// A candidate a line, and that a shell is to offer files where there is none.
    fn text(&self) -> String {
        let mut lines = self.0.clone();
        lines.push(if self.0.is_empty() { ":0" } else { ":4" }.to_owned());
        lines.join("\n")
    }
}

impl Metadata {
    pub(crate) const OURS: Self = Self {
        schema_version: "0.1.0",
        vendor: "Bulla",
        version: env!("CARGO_PKG_VERSION"),
        short_description: "Manage trust on Docker images; pull and run what is signed",
    };
}

impl Completions {
    /// How `words`, of which the last is being typed, may go on: verbs, or options behind a hyphen.
    pub(crate) fn of(program: &clap::Command, words: &[OsString]) -> Self {
        let (typed, before) = match words.split_last() {
            Some((typed, before)) => (typed.to_string_lossy().into_owned(), before),
            None => (String::new(), words),
        };
        let mut verb = program;
        for word in before {
            if let Some(below) = word.to_str().and_then(|word| verb.find_subcommand(word)) {
                verb = below;
            }
        }
        let mut found: Vec<_> = if typed.starts_with('-') {
            let options = verb.get_arguments().chain(program.get_arguments()).filter(|option| !option.is_hide_set());
            options.filter_map(|option| Some(format!("--{}", option.get_long()?))).collect()
        } else {
            verb.get_subcommands().map(|verb| verb.get_name().to_owned()).collect()
        };
        found.retain(|word| word.starts_with(&typed));
        found.sort();
        found.dedup();
        Self(found)
    }
}

impl Called {
    /// The name that the file `program` gives.
    fn by(program: &OsStr) -> Self {
        let name = Path::new(program).file_name().and_then(OsStr::to_str).and_then(|file| file.strip_prefix(PREFIX));
        // Docker's rule.
        let fits = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        name.filter(fits).map_or(Self::Bulla, |name| Self::Plugin(name.to_owned().leak()))
    }

    /// `text` with the commands that it names as they have to be called here.
    pub(crate) fn commands(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plugin(name) if text.contains(OWN_COMMAND) => {
                Cow::Owned(text.replace(OWN_COMMAND, &format!("docker {name} ")))
            }
            _ => Cow::Borrowed(text),
        }
    }
}

impl Call {
    /// Reads the words that the program was called with. `variable` is asked by name.
    ///
    /// # Errors
    /// [`OptionError`]: an option of docker's that is not known.
    pub(crate) fn read(
        words: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, OptionError> {
        let mut words = words.into_iter();
        let called = words.next().map_or(Called::Bulla, |program| Called::by(&program));
        let words: Vec<_> = words.collect();
        let own = |called, asked| Self { called, asked, docker_directory: None, engine: Engine::default() };
        let Called::Plugin(name) = called else { return Ok(own(called, Asked::Command(words))) };
        match words.as_slice() {
            [word] if word == METADATA => return Ok(own(called, Asked::Metadata)),
            [word, plugin, rest @ ..] if COMPLETE.iter().any(|complete| word == complete) && plugin == name => {
                return Ok(own(called, Asked::Completion(rest.to_vec())));
            }
            [word, plugin, rest @ ..] if word == "help" && plugin == name => {
                let rest = rest.iter().cloned().chain(["--help".into()]);
                return Ok(own(called, Asked::Command(rest.collect())));
            }
            _ => {}
        }
        let known: Vec<_> = Known::all(FLAGS, Takes::Nothing).chain(Known::all(VALUES, Takes::Value)).collect();
        let read = read(&known, &words)?;
        let directory = read.options.iter().rev().find(|option| option.name == "config");
        // An empty one is none to docker.
        let directory = directory.and_then(|option| option.value.clone()).filter(|directory| !directory.is_empty());
        let docker_directory = directory.map(PathBuf::from);
        let program = variable(ORIGINAL).filter(|program| !program.is_empty()).unwrap_or_else(|| "docker".into());
        // At a terminal docker leaves signals to that, which sends them to all.
        let socket = if stdout().is_terminal() { None } else { variable(SOCKET) };
        let engine = Engine::new(program, &read.options).called_from(socket);
        let words = match read.rest {
            [first, rest @ ..] if first == name => rest.to_vec(),
            // Called by hand.
            rest => rest.to_vec(),
        };
        Ok(Self { called, asked: Asked::Command(words), docker_directory, engine })
    }
}

/// The words with a `--` behind the verb whose own words are docker's, so that none of them is read as one of ours.
/// `family` is what stands before that verb; `program` reads the words.
pub(crate) fn guarded(program: &clap::Command, family: &[&str], words: Vec<OsString>) -> Vec<OsString> {
    let known = own_options(program);
    let mut rest = words.as_slice();
    for verb in family.iter().map(std::slice::from_ref).chain([CONTAINER_VERBS.as_slice()]) {
        let Ok(read) = read(&known, rest) else { return words };
        match read.rest {
            [first, after @ ..] if verb.iter().any(|verb| first == verb) => rest = after,
            _ => return words,
        }
    }
    // Help of ours; docker's own is behind its options.
    if rest.first().is_some_and(|first| first == "--help") {
        return words;
    }
    let at = words.len().saturating_sub(rest.len());
    let mut words = words;
    words.insert(at, "--".into());
    words
}

/// The verbs whose words are docker's.
const CONTAINER_VERBS: [&str; 2] = ["run", "create"];

/// The options that stand before a verb.
fn own_options(program: &clap::Command) -> Vec<Known> {
    let known = |option: &clap::Arg| {
        let takes = if option.get_action().takes_values() { Takes::Value } else { Takes::Nothing };
        let names = option.get_long_and_visible_aliases().unwrap_or_default();
        let short = option.get_short();
        names.into_iter().map(move |long| Known { long: long.to_owned(), short, takes }).collect::<Vec<_>>()
    };
    program.get_arguments().flat_map(known).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn words(text: &[&str]) -> Vec<OsString> {
        text.iter().map(OsString::from).collect()
    }

    fn call(text: &[&str]) -> Result<Call, OptionError> {
        Call::read(words(text), |name| (name == ORIGINAL).then(|| "/opt/docker".into()))
    }

    fn command(text: &[&str]) -> Asked {
        Asked::Command(words(text))
    }

    #[test]
    fn the_file_s_name_is_the_plugin_s() {
        let called = |program: &str| call(&[program]).unwrap().called;
        assert_eq!(called("/h/.docker/cli-plugins/docker-trust"), Called::Plugin("trust"));
        assert_eq!(called("docker-b2"), Called::Plugin("b2"));
        for program in
            ["/usr/bin/bulla", "docker", "docker-", "docker-2", "docker-a-b", "docker-A", "xdocker-trust", ""]
        {
            assert_eq!(called(program), Called::Bulla, "{program}");
        }
    }

    #[test]
    fn docker_s_options_before_the_name_choose_its_directory_and_the_engine() {
        let read =
            call(&["docker-trust", "--config", "/c", "-H", "tcp://e:1", "-D", "trust", "-d", "x", "pull"]).unwrap();
        assert_eq!(read.asked, command(&["-d", "x", "pull"]));
        assert_eq!(read.docker_directory, Some("/c".into()));
        let options = [
            bulla::engine::options::Given::value("config", "/c"),
            bulla::engine::options::Given::value("host", "tcp://e:1"),
            bulla::engine::options::Given::flag("debug"),
        ];
        assert_eq!(read.engine, Engine::new("/opt/docker".into(), &options));
        assert!(matches!(call(&["docker-trust", "--new", "trust", "pull"]), Err(OptionError::Unknown(_))));
    }

    #[test]
    fn an_empty_directory_of_docker_s_is_its_own_and_no_way_around_what_lies_there() {
        for options in [&["--config="][..], &["--config", ""], &["--config", "/c", "--config="]] {
            let words = [&["docker-trust"], options, &["trust", "run"]].concat();
            assert_eq!(call(&words).unwrap().docker_directory, None, "{options:?}");
        }
    }

    #[test]
    fn docker_asks_for_metadata_help_and_completions() {
        assert_eq!(call(&["docker-trust", "docker-cli-plugin-metadata"]).unwrap().asked, Asked::Metadata);
        let metadata = serde_json::to_value(Metadata::OURS).unwrap();
        assert_eq!(metadata["SchemaVersion"], "0.1.0");
        assert_eq!(metadata["Vendor"], "Bulla");
        assert_eq!(call(&["docker-trust", "help", "trust", "pull"]).unwrap().asked, command(&["pull", "--help"]));
        let asked = call(&["docker-trust", "__complete", "trust", "pu"]).unwrap().asked;
        assert_eq!(asked, Asked::Completion(words(&["pu"])));
        // Only under a plugin's name.
        let asked = call(&["bulla", "docker-cli-plugin-metadata"]).unwrap().asked;
        assert_eq!(asked, command(&["docker-cli-plugin-metadata"]));
    }

    #[test]
    fn verbs_and_options_are_completed() {
        let program = crate::PluginArguments::command();
        let completions = |program, words: &[OsString]| Completions::of(program, words).0;
        assert_eq!(completions(&program, &words(&["pu"])), ["pull", "push-tag"]);
        assert_eq!(completions(&program, &words(&["signer", "a"])), ["add"]);
        assert_eq!(completions(&program, &words(&["pull", "--pl"])), ["--platform"]);
        assert_eq!(completions(&program, &words(&["pull", "--tlsc"])), ["--tlscacert", "--tlscert"]);
        assert!(completions(&program, &[]).contains(&"inspect".to_owned()));
    }

    #[test]
    fn commands_in_texts_are_those_that_can_be_called() {
        let text = "run bulla trust push-tag a, or bulla renew a";
        assert_eq!(Called::Plugin("trust").commands(text), "run docker trust push-tag a, or bulla renew a");
        assert_eq!(Called::Bulla.commands(text), text);
    }

    #[test]
    fn what_stands_behind_run_is_docker_s() {
        let program = crate::Arguments::command();
        let guard = |text: &[&str]| guarded(&program, &["trust"], words(text));
        for (given, expected) in [
            (&["trust", "run", "-d", "a"][..], &["trust", "run", "--", "-d", "a"][..]),
            (
                &["-d", "x", "--server=y", "trust", "--output", "json", "create", "a"],
                &["-d", "x", "--server=y", "trust", "--output", "json", "create", "--", "a"],
            ),
            (&["trust", "run", "--", "a"], &["trust", "run", "--", "--", "a"]),
            (&["trust", "run", "--help"], &["trust", "run", "--help"]),
            (&["trust", "pull", "run"], &["trust", "pull", "run"]),
            (&["trust"], &["trust"]),
            (&["-d", "trust", "run", "a"], &["-d", "trust", "run", "a"]),
        ] {
            assert_eq!(guard(given), words(expected), "{given:?}");
        }
    }

    #[test]
    fn every_option_of_ours_may_stand_before_a_verb_whose_words_are_docker_s() {
        let program = crate::Arguments::command();
        let known = own_options(&program);
        assert!(known.len() > 8, "{known:?}");
        for option in known {
            let name = format!("--{}", option.long);
            let words = match option.takes {
                Takes::Value => words(&[&name, "x", "trust", "run", "-d"]),
                Takes::Nothing => words(&[&name, "trust", "run", "-d"]),
            };
            let guarded = guarded(&program, &["trust"], words.clone());
            assert_eq!(guarded.len(), words.len() + 1, "{option:?}");
        }
    }
}
