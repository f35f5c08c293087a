//! The processor time of processes, as Linux counts it.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Context as _;

/// What a tick of `/proc/PID/stat` lasts on Linux, in microseconds.
const TICK_MICROSECONDS: f64 = 10_000.0;

/// A process whose time is looked at, under a name.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// What it is called in the figures.
    pub(crate) name: String,
    /// Its id.
    pub(crate) pid: u32,
}

impl Watched {
    /// This process.
    pub(crate) fn own(name: &str) -> Self {
        Self { name: name.to_owned(), pid: std::process::id() }
    }

    /// What it and all its descendants have used so far, those it has waited for among them, in microseconds.
    pub(crate) fn used(&self) -> anyhow::Result<f64> {
        let all = processes()?;
        let own = all.get(&self.pid).with_context(|| format!("process {} ({}) is not there", self.pid, self.name))?;
        let mut ticks = own.own + own.waited_for;
        let mut parents = vec![self.pid];
        while let Some(parent) = parents.pop() {
            for (pid, child) in all.iter().filter(|(_, process)| process.parent == parent) {
                ticks += child.own + child.waited_for;
                parents.push(*pid);
            }
        }
        Ok(ticks as f64 * TICK_MICROSECONDS)
    }
}

impl FromStr for Watched {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, pid) = text.split_once('=').context("must be NAME=PID")?;
        Ok(Self { name: name.to_owned(), pid: pid.parse().context("must be NAME=PID")? })
    }
}

struct Process {
    parent: u32,
    own: u64,
    waited_for: u64,
}

fn processes() -> anyhow::Result<BTreeMap<u32, Process>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // one that ended meanwhile is counted by its parent
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        all.insert(pid, parse(&stat).with_context(|| format!("/proc/{pid}/stat is not understood"))?);
    }
    Ok(all)
}

/// Reads a line of proc(5); the name before the last parenthesis may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // the state is field 3
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(number(4)?).ok()?,
        own: number(14)? + number(15)?,
        waited_for: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_passed_over() {
        let stat = "17 (a) b (c) S 3 17 17 0 -1 4194304 1 0 0 0 20 5 7 1 20 0 1 0 100 0 0";
        let process = parse(stat).unwrap();
        assert_eq!((process.parent, process.own, process.waited_for), (3, 25, 8));
    }
}
