//! Signals of the process. What comes while nobody waits is kept for whoever waits next.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{CliError, Exit};

/// Ctrl-C, from the moment that this is made.
#[derive(Debug)]
pub(crate) struct Interrupts(Signal);

impl Interrupts {
    pub(crate) fn new() -> Result<Self, CliError> {
        listen(SignalKind::interrupt()).map(Self)
    }

    /// The next one. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// What asks the daemon to end: Ctrl-C or `SIGTERM`.
#[derive(Debug)]
pub(crate) struct Ends {
    interrupts: Interrupts,
    terminate: Signal,
}

impl Ends {
    pub(crate) fn new() -> Result<Self, CliError> {
        Ok(Self { interrupts: Interrupts::new()?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next one. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            // Both only wait.
            () = self.interrupts.next() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::new(Exit::Io, "wait for signals").because(error))
}
