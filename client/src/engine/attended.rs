//! Docker as a child of this process, where the docker that called this one as its plugin tells by a socket that it is to
//! end: it hands no signal on.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// What shells add to the number of a signal that a program ended by.
const ENDED_BY_SIGNAL: i32 = 128;
/// What docker says when it cannot do what it was asked for.
const NOT_STARTED: u8 = 125;

/// The socket that the calling docker listens at: a path, or behind an `@` a name without a file.
pub(super) fn connect(address: &OsStr) -> Option<UnixStream> {
    let stream = match address.to_str()?.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
            std::os::unix::net::UnixStream::connect_addr(&address).ok()?
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => return None,
        None => std::os::unix::net::UnixStream::connect(address).ok()?,
    };
    stream.set_nonblocking(true).ok()?;
    UnixStream::from_std(stream).ok()
}

/// Runs docker to its end, and gives its exit code. It is asked to end when `caller` hangs up.
pub(super) async fn run(command: Command, mut caller: UnixStream) -> io::Result<u8> {
    // A signal for the group comes to docker, too; this one mostly comes to one process.
    let mut terminate = signal(SignalKind::terminate())?;
    let _interrupt = signal(SignalKind::interrupt())?;
    let mut child = tokio::process::Command::from(command).spawn()?;
    let mut calling = true;
    let mut byte = [0];
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code(status?)),
            _ = terminate.recv() => end(&child),
            read = caller.read(&mut byte), if calling => {
                if !matches!(read, Ok(1..)) {
                    calling = false;
                    end(&child);
                }
            }
        }
    }
}

/// That it has ended already is as good.
fn end(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| ENDED_BY_SIGNAL.saturating_add(signal)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_STARTED)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::super::testing::docker;
    use super::*;

    #[tokio::test]
    async fn docker_is_asked_to_end_when_the_calling_docker_hangs_up_and_its_code_is_ours() {
        let (directory, engine) = docker(r#"trap 'kill $!; exit 9' TERM; sleep 600 & echo up >"${0%/*}/up"; wait"#);
        let (socket, up) = (directory.path().join("socket"), directory.path().join("up"));
        assert!(Command::new("mkfifo").arg(&up).status().unwrap().success());
        let listener = UnixListener::bind(&socket).unwrap();
        let caller = connect(socket.as_os_str()).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let hang_up = async {
            tokio::fs::read(&up).await.unwrap();
            drop(accepted);
        };
        let (code, ()) = tokio::join!(run(engine.command("run"), caller), hang_up);
        assert_eq!(code.unwrap(), 9);
    }

    #[tokio::test]
    async fn docker_s_exit_code_or_signal_is_told() {
        for (script, expected) in [("exit 0", 0), ("exit 125", 125), ("kill -9 $$", 137)] {
            let (directory, engine) = docker(script);
            let socket = directory.path().join("socket");
            let listener = UnixListener::bind(&socket).unwrap();
            let caller = connect(socket.as_os_str()).unwrap();
            let _accepted = listener.accept().await.unwrap();
            assert_eq!(run(engine.command("run"), caller).await.unwrap(), expected, "{script}");
        }
        assert!(connect("/nowhere/socket".as_ref()).is_none());
    }
}
