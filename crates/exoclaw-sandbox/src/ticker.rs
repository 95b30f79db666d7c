//! The thread that advances the engine's epoch while calls run, and sleeps while none do.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::Engine;

/// Time between epochs: how late a deadline may be, and how long a busy guest holds its thread.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Ticks without a call before the thread sleeps: waking it costs a call some microseconds.
const LINGER: u32 = 100;

/// Owns the thread; dropping it stops and joins it.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Calls under way. Written by calls, read by the thread.
    running: AtomicUsize,
    /// The thread is about to sleep, or sleeps. Written by the thread, read by calls.
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// Keeps the epoch advancing.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Ticker);

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("exoclaw-epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || tick(&shared, &engine)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The epoch advances until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        // Either the thread sees this call before it sleeps, or this call sees that it sleeps: both sides write first.
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.wake();
        }
        Running(self)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the epoch thread panicked");
        }
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut idle = 0;
    while !shared.stop.load(SeqCst) {
        if idle >= LINGER {
            shared.asleep.store(true, SeqCst);
            while shared.running.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
                thread::park();
            }
            shared.asleep.store(false, SeqCst);
        }
        thread::park_timeout(TICK);
        engine.increment_epoch();
        idle = if shared.running.load(SeqCst) == 0 { idle + 1 } else { 0 };
    }
}
