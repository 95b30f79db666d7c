//! The sessions in memory: those in use, and the latest idle ones for clients that come back.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exoclaw_protocol::SessionKey;

use crate::{
    clock::{Clock, Epochs},
    hub::{ChangeFeed, Changes},
    session::Session,
};

/// Idle sessions whose events are kept; the one that was left longest ago goes first.
const IDLE_SESSIONS: usize = 1_024;

/// Bytes of events that idle sessions keep, in all; as above.
const IDLE_BYTES: usize = 32 * 1024 * 1024;

/// All sessions in memory. Its lock may be held while a session's is taken, never the other way round.
#[derive(Debug)]
pub(crate) struct Sessions {
    clock: Arc<dyn Clock>,
    delta_interval: Duration,
    epochs: Epochs,
    changes: Changes,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<SessionKey, Slot>,
    /// Idle sessions by the time they were left.
    idle: BTreeMap<u64, SessionKey>,
    idle_bytes: usize,
    departures: u64,
}

#[derive(Debug)]
struct Slot {
    session: Arc<Session>,
    leases: usize,
    /// Key into `Table::idle` and bytes, while nobody uses it.
    idle: Option<(u64, usize)>,
}

/// Keeps a session in memory while somebody uses it.
#[derive(Debug)]
pub(crate) struct Lease {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
}

impl Sessions {
    pub(crate) fn new(clock: Arc<dyn Clock>, delta_interval: Duration) -> Self {
        Self { clock, delta_interval, epochs: Epochs::default(), changes: Changes::default(), table: Mutex::default() }
    }

    /// The session, made where it is not in memory.
    pub(crate) fn lease(self: &Arc<Self>, key: &SessionKey) -> Lease {
        let mut table = self.lock();
        let slot = table.slots.entry(key.clone()).or_insert_with(|| {
            let epoch = self.epochs.next(&*self.clock);
            let session = Session::new(key.clone(), epoch, self.changes.clone());
            Slot { session: Arc::new(session), leases: 0, idle: None }
        });
        slot.leases += 1;
        let session = slot.session.clone();
        if let Some((departure, bytes)) = slot.idle.take() {
            table.idle.remove(&departure);
            table.idle_bytes -= bytes;
        }
        Lease { session, sessions: self.clone() }
    }

    /// The changes of all sessions, from now on.
    pub(crate) fn changes(&self) -> ChangeFeed {
        self.changes.read()
    }

    /// A run of the session is under way or waiting.
    pub(crate) fn is_active(&self, key: &SessionKey) -> bool {
        self.lock().slots.get(key).is_some_and(|slot| slot.session.lock().is_active())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, key: &SessionKey) {
        let mut table = self.lock();
        let departure = table.departures + 1;
        let Some(slot) = table.slots.get_mut(key) else { return };
        slot.leases -= 1;
        if slot.leases > 0 {
            return;
        }
        let (bytes, events) = {
            let state = slot.session.lock();
            (state.ring.bytes(), state.ring.last())
        };
        if events == 0 {
            table.slots.remove(key);
            return;
        }
        slot.idle = Some((departure, bytes));
        table.departures = departure;
        table.idle.insert(departure, key.clone());
        table.idle_bytes += bytes;
        while table.idle.len() > IDLE_SESSIONS || table.idle_bytes > IDLE_BYTES {
            let Some((_, oldest)) = table.idle.pop_first() else { return };
            let dropped = table.slots.remove(&oldest);
            table.idle_bytes -= dropped.and_then(|slot| slot.idle).map_or(0, |(_, bytes)| bytes);
        }
    }
}

impl Lease {
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Time between two deltas of a run.
    pub(crate) fn delta_interval(&self) -> Duration {
        self.sessions.delta_interval
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.sessions.lease(self.session.key())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.sessions.give_back(self.session.key());
    }
}
