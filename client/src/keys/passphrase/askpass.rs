//! A command that asks for a passphrase in our place, as ssh's does: the question is its argument, its first line the
//! answer.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tuf_schema::sign::Passphrase;

use super::place::Fault;
use super::secret_line;
use super::sources::keep_from;

/// How much a command may print behind the passphrase without being cut off, in bytes.
const MAX_REST: u64 = 1 << 20;

/// Runs `command` and takes what it prints. It is run without a shell, and no passphrase is among its arguments.
pub(super) fn ask(command: &Path, question: &str) -> Result<Passphrase, Fault> {
    let mut command = Command::new(command);
    keep_from(&mut command);
    let mut child = command.arg(question).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(Fault::NotRun)?;
    let answer = match child.stdout.take() {
        Some(mut printed) => {
            let answer = secret_line::read(&mut printed);
            if answer.is_ok() {
                let _ = io::copy(&mut printed.take(MAX_REST), &mut io::sink());
            }
            answer
        }
        None => Err(Fault::Empty),
    };
    let status = child.wait().map_err(Fault::NotRun)?;
    match answer {
        // It may have failed because nobody read on.
        Err(Fault::TooLong) => Err(Fault::TooLong),
        // Whoever closes a window answers nothing, and the command fails: the latter is the reason.
        _ if !status.success() => Err(Fault::Failed(status)),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What is made of a script that gets the question "q?".
    fn asked(script: &str) -> Result<Vec<u8>, Fault> {
        let home = tempfile::tempdir().unwrap();
        let command = home.path().join("askpass");
        // Written elsewhere and moved: what another thread still has open for writing cannot be run.
        std::fs::write(home.path().join("script"), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(home.path().join("script"), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::rename(home.path().join("script"), &command).unwrap();
        let answer = || ask(&command, "q?").map(|passphrase| passphrase.expose().to_vec());
        loop {
            match answer() {
                Err(Fault::NotRun(e)) if e.kind() == io::ErrorKind::ExecutableFileBusy => {}
                other => return other,
            }
        }
    }

    #[test]
    fn the_question_is_the_argument_and_the_first_line_the_answer() {
        assert_eq!(asked("echo \"$# $1\"; echo url: x").unwrap(), b"1 q?");
    }

    #[test]
    fn each_way_to_fail_is_told() {
        assert!(matches!(asked("exit 3"), Err(Fault::Failed(status)) if status.code() == Some(3)));
        assert!(matches!(asked("echo answer; exit 1"), Err(Fault::Failed(_))));
        assert!(matches!(asked("kill $$"), Err(Fault::Failed(status)) if status.code().is_none()));
        assert!(matches!(asked("true"), Err(Fault::Empty)));
        assert!(matches!(asked("echo"), Err(Fault::Empty)));
        assert!(matches!(asked("printf '\\377\\n'"), Err(Fault::NotText)));
        assert!(matches!(asked("yes | tr -d '\\n'"), Err(Fault::TooLong)));
        let absent = ask(Path::new("/nowhere/askpass"), "q?");
        assert!(matches!(absent, Err(Fault::NotRun(e)) if e.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn lines_behind_the_answer_do_not_make_the_command_fail() {
        assert_eq!(asked("echo answer; head -c 100000 /dev/zero").unwrap(), b"answer");
    }
}
