//! Who is connected, as far as clients of OpenClaw's say.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// Entries of one snapshot; the oldest are told.
const TOLD: usize = 200;

/// Those who are connected. Bounded by the number of connections.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<u64, Value>,
    /// Grows with each change.
    version: u64,
}

/// Somebody is there, until this is dropped.
#[derive(Debug)]
pub(super) struct Present {
    number: u64,
    presence: Arc<Presence>,
}

impl Presence {
    /// Somebody came.
    pub(super) fn enter(self: &Arc<Self>, entry: Value) -> Present {
        let mut table = self.lock();
        table.version += 1;
        let number = table.version;
        table.entries.insert(number, entry);
        Present { number, presence: Arc::clone(self) }
    }

    /// Who is there, and the version of that.
    pub(super) fn snapshot(&self) -> (Vec<Value>, u64) {
        let table = self.lock();
        (table.entries.values().take(TOLD).cloned().collect(), table.version)
    }

    /// Nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut table = self.presence.lock();
        table.version += 1;
        table.entries.remove(&self.number);
    }
}
