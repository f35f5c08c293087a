//! `docker run` and `docker create` of an image that was verified: the image among docker's own words, and docker in
//! place of this process.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::process::Command;

use super::options::{Given, Known, OptionError, Takes, read};
use super::{Engine, EngineError};

/// Options of `docker run` and `docker create` that take nothing (docker 20.10 to 28).
const FLAGS: &str = "d,detach disable-content-trust help init i,interactive no-healthcheck oom-kill-disable privileged \
    P,publish-all q,quiet read-only rm sig-proxy t,tty use-api-socket";
/// Those that take a value, with the names that docker keeps for old scripts.
const VALUES: &str = "add-host annotation a,attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent \
    cgroupns cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime c,cpu-shares cpus \
    cpuset-cpus cpuset-mems detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps \
    device-write-iops dns dns-opt dns-option dns-search domainname entrypoint e,env env-file expose gpus group-add \
    health-cmd health-interval health-retries health-start-interval health-start-period health-timeout h,hostname \
    io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory l,label label-file link link-local-ip log-driver \
    log-opt mac-address m,memory memory-reservation memory-swap memory-swappiness mount name net net-alias network \
    network-alias oom-score-adj pid pids-limit platform p,publish pull restart runtime security-opt shm-size \
    stop-signal stop-timeout storage-opt sysctl tmpfs ulimit u,user userns uts v,volume volume-driver volumes-from \
    w,workdir";
/// Ours: cached trust data will do.
const ALLOW_CACHED: &str = "allow-cached";
/// Docker's way to skip the verification, which docker 29 knows no more.
const DISABLE: &str = "disable-content-trust";

/// What is done with the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `docker run`.
    Run,
    /// `docker create`.
    Create,
}

/// The words of `docker run` or `docker create`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    verb: Verb,
    options: Vec<Given>,
    /// The image as it was named.
    pub image: String,
    /// Whether cached trust data will do.
    pub allow_cached: bool,
    command: Vec<OsString>,
}

/// Why the image is not found among the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// An option is not understood.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// There are only options.
    #[error("no image is named: after docker's options comes IMAGE, then what to run in it")]
    NoImage,
    /// The image's name is no text.
    #[error("{0:?} is no name of an image")]
    NotText(OsString),
    /// A value that is neither on nor off.
    #[error("--{ALLOW_CACHED} takes true or false, not {0:?}")]
    AllowCached(OsString),
    /// This verb is for verifying.
    #[error("--disable-content-trust has no place here: what shall not be verified is for docker {0} itself")]
    Untrusted(Verb),
    /// Another image comes into the container.
    #[error("--mount {0} brings in another image, which nobody verifies: leave it out, or use docker itself")]
    MountedImage(String),
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Create => "create",
        })
    }
}

impl Container {
    /// Finds the image among the words behind `docker run` or `docker create`.
    ///
    /// # Errors
    /// [`ContainerError`]: what is not understood is refused, as another word might be the image.
    pub fn parse(verb: Verb, words: &[OsString]) -> Result<Self, ContainerError> {
        let known = Known::all(FLAGS, Takes::Nothing).chain(Known::all(VALUES, Takes::Value));
        let known: Vec<_> = known.chain(Known::all(ALLOW_CACHED, Takes::Nothing)).collect();
        let read = read(&known, words)?;
        let mut options = read.options;
        let is_on = |option: &Given| option.value.as_deref().is_none_or(|value| value != "false");
        if options.iter().any(|option| option.name == DISABLE && is_on(option)) {
            return Err(ContainerError::Untrusted(verb));
        }
        if let Some(mount) = options.iter().find_map(mounted_image) {
            return Err(ContainerError::MountedImage(mount));
        }
        let allow_cached = allows_cached(&options)?;
        options.retain(|option| option.name != DISABLE && option.name != ALLOW_CACHED);
        let [image, command @ ..] = read.rest else { return Err(ContainerError::NoImage) };
        let image = image.to_str().ok_or_else(|| ContainerError::NotText(image.clone()))?.to_owned();
        Ok(Self { verb, options, image, allow_cached, command: command.to_vec() })
    }

    /// The words for docker, with `image` for the one that was named.
    fn words(&self, image: &str) -> Vec<OsString> {
        // Behind `--` docker takes the next word for the image, whatever options it knows.
        let image = ["--".into(), image.into()];
        self.options.iter().map(Given::word).chain(image).chain(self.command.iter().cloned()).collect()
    }
}

/// The mount that is one of an image, however docker's comma-separated words write it.
fn mounted_image(option: &Given) -> Option<String> {
    let value = option.value.as_deref().filter(|_| option.name == "mount")?.to_string_lossy();
    let plain: String = value.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    plain.to_ascii_lowercase().contains("type=image").then(|| value.into_owned())
}

/// Whether cached trust data will do, by the last word on it, as docker reads its own options.
fn allows_cached(options: &[Given]) -> Result<bool, ContainerError> {
    match options.iter().rfind(|option| option.name == ALLOW_CACHED).map(|option| option.value.as_deref()) {
        None => Ok(false),
        Some(None) => Ok(true),
        Some(Some(value)) if value == "true" => Ok(true),
        Some(Some(value)) if value == "false" => Ok(false),
        Some(Some(value)) => Err(ContainerError::AllowCached(value.to_owned())),
    }
}

impl Engine {
    /// Has docker do with `image` what was to be done with the image that was named, and gives its exit code.
    ///
    /// Docker takes the place of this process, with its terminal, unless a docker that called this one as its plugin is to
    /// tell when it shall end.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub async fn start(&self, container: &Container, image: &str) -> Result<u8, EngineError> {
        let mut command = self.command(container.verb.to_string());
        command.args(container.words(image));
        #[cfg(unix)]
        if let Some(caller) = self.caller.as_deref().and_then(super::attended::connect) {
            return super::attended::run(command, caller).await.map_err(|e| self.not_run(e));
        }
        Err(self.not_run(replace_this_process(command)))
    }
}

#[cfg(unix)]
fn replace_this_process(mut command: Command) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    command.exec()
}

/// As near to it as can be.
#[cfg(not(unix))]
fn replace_this_process(mut command: Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(125)),
        Err(e) => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Container, ContainerError> {
        Container::parse(Verb::Run, &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_image_is_the_first_word_that_is_no_option_and_no_value_of_one() {
        for (words, image) in [
            (&["app:1", "sh"][..], "app:1"),
            (&["-it", "--rm", "app:1", "sh"], "app:1"),
            (&["--name", "evil:1", "app:1"], "app:1"),
            (&["-e", "A", "-v", "/a:/b", "-p80:80", "--net", "host", "app:1", "other:1"], "app:1"),
            (&["--unheard-of=x", "app:1"], "app:1"),
            (&["--sig-proxy", "app:1", "--name", "x"], "app:1"),
            (&["--", "app:1"], "app:1"),
        ] {
            assert_eq!(parse(words).unwrap().image, image, "{words:?}");
        }
        assert_eq!(parse(&["--rm"]), Err(ContainerError::NoImage));
        assert!(matches!(parse(&["--unheard-of", "x", "app:1"]), Err(ContainerError::Option(_))));
    }

    #[test]
    fn docker_is_given_the_digest_where_no_option_can_swallow_it_and_all_else_as_it_was() {
        let container = parse(&["-it", "-e", "A=b c", "app:1", "sh", "-c", "--rm", "app:1"]).unwrap();
        assert_eq!(
            container.words("app@sha256:x"),
            ["--interactive=true", "--tty=true", "--env=A=b c", "--", "app@sha256:x", "sh", "-c", "--rm", "app:1",]
        );
    }

    #[test]
    fn every_option_of_docker_s_help_is_known_once() {
        let known: Vec<_> = Known::all(FLAGS, Takes::Nothing).chain(Known::all(VALUES, Takes::Value)).collect();
        for (at, option) in known.iter().enumerate() {
            let same =
                |other: &&Known| other.long == option.long || (other.short.is_some() && other.short == option.short);
            assert_eq!(known.iter().position(|other| same(&other)), Some(at), "{option:?}");
        }
    }

    #[test]
    fn no_other_image_is_mounted() {
        for mount in ["type=image,source=evil:1,target=/x", "target=/x,TYPE=image,src=evil", "\"type=image\",source=a"]
        {
            assert_eq!(parse(&["--mount", mount, "a"]), Err(ContainerError::MountedImage(mount.into())), "{mount}");
        }
        assert!(parse(&["--mount", "type=bind,src=/a,dst=/b", "a"]).is_ok());
    }

    #[test]
    fn verification_cannot_be_switched_off() {
        for words in [
            &["--disable-content-trust", "a"][..],
            &["--disable-content-trust=true", "a"],
            &["--disable-content-trust=1", "a"],
        ] {
            assert_eq!(parse(words), Err(ContainerError::Untrusted(Verb::Run)), "{words:?}");
        }
        // Docker 29 would not know it.
        assert_eq!(parse(&["--disable-content-trust=false", "a"]).unwrap().options, []);
        let allowed = parse(&["--allow-cached", "--rm", "a"]).unwrap();
        assert_eq!((allowed.allow_cached, allowed.options), (true, vec![Given::flag("rm")]));
    }

    #[test]
    fn cached_trust_data_will_do_only_if_the_last_word_on_it_says_so() {
        for (words, allowed) in [
            (&["a"][..], false),
            (&["--allow-cached=true", "a"], true),
            (&["--allow-cached=false", "a"], false),
            (&["--allow-cached", "--allow-cached=false", "a"], false),
            (&["--allow-cached=false", "--allow-cached", "a"], true),
        ] {
            assert_eq!(parse(words).unwrap().allow_cached, allowed, "{words:?}");
        }
        for value in ["0", "no", "False", ""] {
            let words = [&format!("--allow-cached={value}"), "a"];
            assert_eq!(parse(&words), Err(ContainerError::AllowCached(value.into())), "{value:?}");
        }
    }
}
