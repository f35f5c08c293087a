//! What brings a client up to date in one answer: every document of one state that it does not hold, as it is stored or
//! as a delta against the one that the client holds.
//!
//! Whatever is left out, for want of room or because something is not stored, the client asks for as always. So nothing
//! here is an error but a database that does not answer.

mod deltas;
mod patch;
mod plan;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;
use tuf_schema::Role;
use tuf_schema::update_answer::{Held, UpdateFile};
use tuf_schema::verify::limits::MAX_ROOT_STEPS;

use crate::auth::{Access, Pull};
use crate::config::Limits;
use crate::links::Listed;
use crate::metrics::{Counters, DeltaOutcome};
use crate::read::Reader;
use crate::read::state::State;
use crate::store::{StoreError, Stored};
use deltas::{Delta, Deltas, Made};
use plan::Wanted;

pub(crate) use plan::Plan;

/// How many documents of one answer are read at once; what asks the database at once shares statements.
const READS_AT_ONCE: usize = 16;

/// Answers clients that say what they hold.
pub(crate) struct CatchUp {
    deltas: Deltas,
    /// `limits.update_bytes`.
    most_bytes: usize,
}

/// One document of an answer, and what is sent for it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: UpdateFile,
    pub(crate) bytes: Bytes,
}

impl CatchUp {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { deltas: Deltas::new(limits), most_bytes: limits.update_bytes }
    }

    /// What of `state` an answer of at most so many bytes is to bring a client that holds `held`.
    pub(crate) fn plan(&self, state: State, held: &Held, most_bytes: usize) -> Plan {
        Plan::new(state, held, self.most_bytes.min(most_bytes))
    }

    /// What became of the deltas that clients could have been sent.
    pub(crate) fn deltas(&self) -> &Counters<DeltaOutcome> {
        &self.deltas.outcomes
    }

    /// Until when deltas are waited for that are needed from now on.
    pub(crate) fn deadline(&self) -> Instant {
        self.deltas.deadline()
    }

    /// Sends a delta in place of a document, where there is one or it can be made by then.
    pub(crate) async fn find_delta(
        &self,
        reader: &Reader,
        access: &Access<Pull>,
        wanted: &mut Wanted,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let Some(base) = wanted.base else { return Ok(()) };
        match self.deltas.delta(reader, access, (&*wanted, base), deadline).await? {
            Made::Delta(delta) => wanted.delta = Some(delta),
            Made::Useless | Made::Busy => {}
        }
        Ok(())
    }

    /// The documents of `plan`, in the order in which they are sent.
    pub(crate) async fn parts(
        &self,
        reader: &Reader,
        access: &Access<Pull>,
        plan: Plan,
    ) -> Result<Vec<Part>, StoreError> {
        let mut parts = match plan.roots {
            Some(roots) => read_roots(reader, access, &roots).await?,
            None => Vec::new(),
        };
        parts.push(Part::whole(Role::Timestamp, plan.timestamp));
        let reads = plan.files.into_iter().map(|wanted| part(reader, access, wanted));
        let others: Vec<_> = stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
        parts.extend(others.into_iter().flatten());
        Ok(parts)
    }
}

async fn part(reader: &Reader, access: &Access<Pull>, wanted: Wanted) -> Result<Option<Part>, StoreError> {
    let Wanted { role, listed, base, delta } = wanted;
    let Some(Delta { version, bytes }) = delta else {
        let stored = read(reader, access, &role, listed).await?;
        return Ok(stored.map(|stored| Part::whole(role, stored)));
    };
    let Listed { sha256, length } = listed;
    let file = UpdateFile { role, version, sha256, length, sent: bytes.len() as u64, base };
    Ok(Some(Part { file, bytes }))
}

impl Part {
    fn whole(role: Role, stored: Stored) -> Self {
        let Stored { version, sha256, bytes, .. } = stored;
        let length = bytes.len() as u64;
        Self { file: UpdateFile { role, version, sha256, length, sent: length, base: None }, bytes }
    }
}

/// A document that a snapshot lists, with the length that is listed for it; no reader would take another one.
async fn read(
    reader: &Reader,
    access: &Access<Pull>,
    role: &Role,
    listed: Listed,
) -> Result<Option<Stored>, StoreError> {
    let stored = reader.file_of_state(access, role, listed).await?;
    Ok(stored.filter(|stored| stored.bytes.len() as u64 == listed.length))
}

/// The roots that lead from the one that is held to the current one. The last is always the current one: it is taken for
/// that. Where the way to it is not whole, it is sent alone.
async fn read_roots(reader: &Reader, access: &Access<Pull>, roots: &plan::Roots) -> Result<Vec<Part>, StoreError> {
    let Some(current) = read(reader, access, &Role::Root, roots.listed).await? else { return Ok(Vec::new()) };
    let mut parts = read_way(reader, access, roots).await?.unwrap_or_default();
    parts.push(Part::whole(Role::Root, current));
    Ok(parts)
}

/// The roots before the current one; `None` where one is not stored, or they are more than an answer takes.
async fn read_way(
    reader: &Reader,
    access: &Access<Pull>,
    roots: &plan::Roots,
) -> Result<Option<Vec<Part>>, StoreError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut room = roots.room;
    let mut next = roots.first;
    while let Some(version) = next.filter(|version| *version < roots.current) {
        if parts.len() >= MAX_ROOT_STEPS - 1 {
            return Ok(None);
        }
        let Some(stored) = reader.by_version(access, &Role::Root, version).await? else { return Ok(None) };
        let Some(left) = room.checked_sub(stored.bytes.len()) else { return Ok(None) };
        room = left;
        parts.push(Part::whole(Role::Root, stored));
        next = version.next();
    }
    Ok(Some(parts))
}
