//! Compiles components, each with a limit of time.
//!
//! A compiler can't be stopped from outside. So it runs on a thread of its own, which nobody waits for once its time has
//! passed; how many of those there can be is bounded, and each ends by itself with the component that it works on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use wasmtime::{Engine, component::Component};

use crate::LoadError;

/// Compilations that nobody waits for any more; while there are so many, no other is begun. They are what a hostile file
/// can make the machine do in vain.
const LATE: usize = 2;

/// Compiles within a limit of time.
#[derive(Debug)]
pub(crate) struct Compiler {
    limit: Duration,
    /// Threads that nobody waits for. Written by whoever gives up, and by the threads at their ends.
    late: Arc<AtomicUsize>,
}

impl Compiler {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, late: Arc::default() }
    }

    /// Validates and compiles. Blocks.
    pub(crate) fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
        if self.late.load(SeqCst) >= LATE {
            return Err(LoadError::CompilersBusy);
        }
        let (done, outcome) = sync_channel(1);
        // Set by whoever is first to leave, the waiting or the working side.
        let left = Arc::new(AtomicBool::new(false));
        let (of_thread, late) = (Arc::clone(&left), Arc::clone(&self.late));
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let work = move || {
            // The receiver is gone if nobody waits.
            done.send(Component::from_binary(&engine, &bytes)).ok();
            if of_thread.swap(true, SeqCst) {
                late.fetch_sub(1, SeqCst);
            }
        };
        let thread = thread::Builder::new().name("exoclaw-compile".into()).spawn(work);
        thread.map_err(|error| LoadError::Compile(error.into()))?;
        match outcome.recv_timeout(self.limit) {
            Ok(compiled) => compiled.map_err(|error| LoadError::Compile(error.into())),
            Err(RecvTimeoutError::Disconnected) => Err(LoadError::Compile("the compiler panicked".into())),
            Err(RecvTimeoutError::Timeout) => {
                self.late.fetch_add(1, SeqCst);
                if left.swap(true, SeqCst) {
                    self.late.fetch_sub(1, SeqCst);
                }
                Err(LoadError::TooSlow { limit: self.limit })
            }
        }
    }
}
