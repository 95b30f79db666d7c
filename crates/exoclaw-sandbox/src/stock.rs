//! Instances made ahead of their calls, for plugins that are called often. Each is still used once.
//!
//! What is made ahead is a store that holds nothing of any call: no grants, no limits, no host. A call puts all of its own
//! into it, and its time, fuel and memory count from then on. Plugins whose instances would run code while they are made
//! get none.
//!
//! One thread makes them, off the way of the calls, and takes apart what is left of the calls. How many there are follows how
//! many were taken of late; a plugin that is not called for a while has none, and the thread sleeps.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wasmtime::Store;

use crate::{entry::Instance, instance, plugin, state::State};

/// Instances that are kept ready for one plugin, at most.
const FOR_ONE: usize = 16;

/// Used stores that wait to be taken apart; what is beyond is taken apart by its call.
const USED: usize = 32;

/// A plugin is called often once so many calls came within [`CLOSE`] of the one before.
const OFTEN: u32 = 16;
const CLOSE: Duration = Duration::from_millis(2);

/// Between two looks of the thread while a plugin is called often.
const LOOK: Duration = Duration::from_micros(100);

/// Without a call for so long, a plugin is not called often any more.
const COOL: Duration = Duration::from_millis(50);

/// An instance that nobody has called, with the store that it lives in.
struct Ready {
    store: Store<State>,
    instance: Instance,
    _place: Place,
}

/// What is ready for one plugin.
#[derive(Default)]
pub(crate) struct Stock {
    /// Taken by calls, filled by the thread. At most [`FOR_ONE`].
    ready: Mutex<Vec<Ready>>,
    /// Calls since the thread looked. Written by both.
    calls: AtomicUsize,
    /// When the last call came, in nanoseconds of the maker's life, and how many came close to the one before.
    last: AtomicU64,
    close: AtomicU32,
    /// The thread looks after it. Set by a call, cleared by the thread.
    followed: AtomicBool,
    /// Its instances run code while they are made, or can't be made.
    unfit: AtomicBool,
}

impl Stock {
    /// `runs_at_start`: the component's instances run code while they are made.
    pub(crate) fn new(runs_at_start: bool) -> Self {
        Self { unfit: AtomicBool::new(runs_at_start), ..Self::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes instances, on a thread of its own. Dropping it stops and joins the thread.
pub(crate) struct Maker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    born: Instant,
    /// Plugins that are called often. Added to by calls, looked after by the thread.
    often: Mutex<Vec<Weak<plugin::Inner>>>,
    /// Stores of calls that have ended. At most [`USED`].
    used: Mutex<Vec<Store<State>>>,
    /// Instances that are ready, of all plugins, and how many can be; plugins that find no place get none.
    places: AtomicUsize,
    most: usize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// One of the instances that can be ready.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let taken = shared.places.fetch_update(SeqCst, SeqCst, |taken| (taken < shared.most).then_some(taken + 1));
        taken.is_ok().then(|| Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, SeqCst);
    }
}

impl Maker {
    /// Instances that are held beside those of calls, where so many are made ahead.
    pub(crate) fn held(ahead: u32) -> u32 {
        if ahead == 0 { 0 } else { ahead.saturating_add(USED as u32) }
    }

    pub(crate) fn start(ahead: u32) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            born: Instant::now(),
            often: Mutex::default(),
            used: Mutex::default(),
            places: AtomicUsize::new(0),
            most: ahead as usize,
            asleep: AtomicBool::new(true),
            stop: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("exoclaw-stock".into()).spawn(move || make(&of_thread))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// An instance for a call that begins now, if there is one.
    pub(crate) fn take(&self, plugin: &Arc<plugin::Inner>) -> Option<(Store<State>, Instance)> {
        let stock = &plugin.stock;
        if stock.unfit.load(Relaxed) || self.shared.most == 0 {
            return None;
        }
        if stock.followed.load(Relaxed) {
            stock.calls.fetch_add(1, Relaxed);
            return stock.lock().pop().map(|ready| (ready.store, ready.instance));
        }
        let now = u64::try_from(self.shared.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since = now.saturating_sub(stock.last.swap(now, Relaxed));
        if u128::from(since) > CLOSE.as_nanos() {
            stock.close.store(0, Relaxed);
        } else if stock.close.fetch_add(1, Relaxed) + 1 >= OFTEN && !stock.followed.swap(true, SeqCst) {
            stock.calls.store(1, Relaxed);
            self.shared.often.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(plugin));
            self.wake();
        }
        None
    }

    /// Takes apart what is left of a call, now or soon. Nothing that reaches out of the store is left in it.
    pub(crate) fn dispose(&self, store: Store<State>) {
        let mut used = self.shared.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < USED && !self.shared.asleep.load(SeqCst) {
            used.push(store);
            return;
        }
        // Others need not wait while this one is taken apart.
        drop(used);
        drop(store);
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        let Some(thread) = self.thread.take() else { return };
        // The thread itself may have held the last plugin.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread that makes instances panicked");
        }
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").field("ready", &self.shared.places).finish_non_exhaustive()
    }
}

/// A plugin that is called often.
struct Followed {
    plugin: Weak<plugin::Inner>,
    last_call: Instant,
}

fn make(shared: &Arc<Shared>) {
    // As many as there are plugins that are called often.
    let mut all: Vec<Followed> = Vec::new();
    while !shared.stop.load(SeqCst) {
        let new = std::mem::take(&mut *shared.often.lock().unwrap_or_else(PoisonError::into_inner));
        let now = Instant::now();
        all.extend(new.into_iter().map(|plugin| Followed { plugin, last_call: now }));
        all.retain_mut(|followed| followed.look(shared, now));
        if all.is_empty() {
            sleep(shared);
        } else {
            shared.take_apart();
            thread::park_timeout(LOOK);
        }
    }
    shared.take_apart();
}

/// Sleeps until a plugin is called often. Nothing is left behind meanwhile.
fn sleep(shared: &Shared) {
    let used = {
        let mut used = shared.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: no store is left after this.
        shared.asleep.store(true, SeqCst);
        std::mem::take(&mut *used)
    };
    drop(used);
    while shared.often.lock().unwrap_or_else(PoisonError::into_inner).is_empty() && !shared.stop.load(SeqCst) {
        thread::park();
    }
    shared.asleep.store(false, SeqCst);
}

impl Shared {
    fn take_apart(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        drop(used);
    }
}

impl Followed {
    /// Makes as many instances as may be wanted until the next look. Says whether there will be one.
    fn look(&mut self, shared: &Arc<Shared>, now: Instant) -> bool {
        let Some(plugin) = self.plugin.upgrade() else { return false };
        let stock = &plugin.stock;
        let calls = stock.calls.swap(0, Relaxed);
        if calls > 0 {
            self.last_call = now;
        } else if now.duration_since(self.last_call) > COOL {
            stock.close.store(0, Relaxed);
            stock.followed.store(false, SeqCst);
            let ready = std::mem::take(&mut *stock.lock());
            drop(ready);
            return false;
        }
        let wanted = (2 * calls).clamp(2, FOR_ONE);
        while stock.lock().len() < wanted && !shared.stop.load(Relaxed) {
            let Some(place) = Place::take(shared) else { break };
            let Some((store, instance)) = instance::ahead(&plugin) else {
                // Its calls make their own, and say why that fails.
                stock.unfit.store(true, Relaxed);
                break;
            };
            stock.lock().push(Ready { store, instance, _place: place });
        }
        true
    }
}
