//! What the system does for the memory of this process: no core files, no debuggers, nothing swapped out.

use std::fmt;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// What the system does not do for us. None of it stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprotected {
    /// Core files and debuggers could not be refused.
    Dumpable,
    /// Memory may be swapped out: this process may not lock it.
    Swappable,
}

/// Lets no core file be written, and no process of the same account attach or read the memory. The superuser may.
#[must_use]
pub fn refuse_dumps() -> Option<Unprotected> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    // where core files go to a program, the limit does not count, and this does
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    (limited.is_err() || hidden.is_err()).then_some(Unprotected::Dumpable)
}

/// Keeps all memory, present and future, from being swapped out, if there is no limit to that: under a limit memory
/// would one day be refused.
#[must_use]
pub fn lock_memory() -> Option<Unprotected> {
    let is_unlimited = getrlimit(Resource::Memlock).current.is_none();
    let may = is_unlimited || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // page by page as they are used: stacks are reserved in megabytes, and used in kilobytes
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    (!may || mlockall(flags).is_err()).then_some(Unprotected::Swappable)
}

impl fmt::Display for Unprotected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dumpable => "the system does not refuse core files and debuggers of this process",
            Self::Swappable => {
                "memory with keys may be swapped out: set LimitMEMLOCK=infinity (systemd) or give CAP_IPC_LOCK, or have no \
                 swap"
            }
        })
    }
}
