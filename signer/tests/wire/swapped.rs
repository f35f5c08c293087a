//! Whether memory with keys can be swapped out: it is locked where the system lets it be, and said where not.

use std::process::{Command, Stdio};

use crate::left_out::left_out;
use crate::process::{Started, program};
use crate::signer::{Place, Settings};

const WITH_RIGHT: &[&str] = &[];
/// A superuser without the right to lock any memory, whatever the limit.
const WITHOUT_RIGHT: &[&str] = &["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"];
const TOLD: &str = "memory with keys may be swapped out: set LimitMEMLOCK=infinity";

/// A command under this limit of locked memory, and with these rights.
fn under(limit: &str, rights: &[&str], command: &Command) -> Command {
    let mut under = Command::new("prlimit");
    under.arg(format!("--memlock={limit}:{limit}")).arg("--").args(rights);
    under.arg(command.get_program()).args(command.get_args()).env_clear().stdin(Stdio::null());
    under.envs(command.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    under
}

fn can_be(limit: &str, rights: &[&str]) -> bool {
    under(limit, rights, &Command::new("true")).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Starts the program, has it answer, and gives how much memory it has locked, in KiB, and its log.
async fn locked(limit: &str, rights: &[&str]) -> (u64, String) {
    let place = Place::new();
    let mut started = Started::by(under(limit, rights, &program(&place, &Settings::default())), &place);
    let client = started.client(&place).await;
    client.create("registry.test/app", "timestamp").await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", started.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let kibibytes = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    (kibibytes, started.terminate().await)
}

#[tokio::test]
async fn memory_that_may_not_be_locked_is_told_of_and_stops_nothing() {
    if !can_be("0", WITHOUT_RIGHT) {
        return left_out("this needs root, prlimit and setpriv");
    }
    let (kibibytes, log) = locked("0", WITHOUT_RIGHT).await;
    assert_eq!((kibibytes, log.matches(TOLD).count()), (0, 1), "{log}");
}

#[tokio::test]
async fn memory_is_locked_with_the_right_to_it_whatever_the_limit() {
    if !can_be("0", WITH_RIGHT) {
        return left_out("this needs root and prlimit");
    }
    let (kibibytes, log) = locked("0", WITH_RIGHT).await;
    assert!(kibibytes > 0 && !log.contains(TOLD), "{kibibytes} {log}");
}

#[tokio::test]
async fn memory_is_locked_where_there_is_no_limit_to_it() {
    if !can_be("unlimited", WITHOUT_RIGHT) {
        // in many containers not even the superuser may lift a limit
        println!("left out: the limit of locked memory may not be lifted here");
        return;
    }
    let (kibibytes, log) = locked("unlimited", WITHOUT_RIGHT).await;
    assert!(kibibytes > 0 && !log.contains(TOLD), "{kibibytes} {log}");
}
