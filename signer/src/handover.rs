//! Takes secrets out of the environment. What a process is started with stays readable in its memory and in
//! `/proc/PID/environ` for as long as it lives, so the program starts itself anew without them: the same process, with
//! the variables in a file without a name as its standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use bulla_signer::config::{HANDED_OVER, PREFIX};
use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

/// Names and values.
type Variables = Vec<(String, String)>;

/// The environment, with the signer's own variables in no place where they would stay. Does not return where the program
/// has to be started anew for that; an error of that is given beside what is there all the same.
pub(crate) fn environment() -> anyhow::Result<(Variables, Option<io::Error>)> {
    let no_text = |(name, value): &(OsString, OsString)| {
        name.as_bytes().starts_with(PREFIX.as_bytes()) && value.to_str().is_none()
    };
    if let Some((name, _)) = std::env::vars_os().find(no_text) {
        anyhow::bail!(
            "the value of {} is no UTF-8; a passphrase of other bytes can stand in no variable",
            name.to_string_lossy()
        );
    }
    let variables: Variables = std::env::vars_os().filter_map(text).collect();
    if variables.iter().any(|(name, _)| name == HANDED_OVER) {
        let handed =
            take().with_context(|| format!("{HANDED_OVER} is set, which only the program itself may do; unset it"))?;
        return Ok((handed, None));
    }
    let (ours, _): (Vec<_>, Vec<_>) = variables.into_iter().partition(|(name, _)| name.starts_with(PREFIX));
    let failure = if ours.is_empty() { None } else { start_anew(&ours).err() };
    Ok((ours, failure))
}

/// A name or a value that is no text is nobody's that we know.
fn text((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

/// Returns only if it fails.
fn start_anew(variables: &[(String, String)]) -> io::Result<()> {
    let mut handed = File::from(memfd_create("bulla", MemfdFlags::CLOEXEC)?);
    for (name, value) in variables {
        handed.write_all(Zeroizing::new(format!("{name}={value}\0")).as_bytes())?;
    }
    handed.rewind()?;
    let mut line = std::env::args_os();
    let mut program = Command::new(std::env::current_exe()?);
    program.arg0(line.next().unwrap_or_default()).args(line).stdin(handed).env(HANDED_OVER, "1");
    for (name, _) in variables {
        program.env_remove(name);
    }
    Err(program.exec())
}

fn take() -> io::Result<Variables> {
    // standard input itself is buffered, and the buffer stays
    let mut handed = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let about = handed.metadata()?;
    if !about.is_file() || about.nlink() != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "standard input is not what was handed over"));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(about.size()).unwrap_or_default()));
    handed.read_to_string(&mut text)?;
    handed.set_len(0)?;
    // without that device it stays the file, which is empty now
    if let Ok(nothing) = File::open("/dev/null") {
        rustix::stdio::dup2_stdin(nothing)?;
    }
    let variables = text.split_terminator('\0').filter_map(|variable| variable.split_once('='));
    Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
