//! Points in a script where the server waits for the test.

use std::sync::Arc;

use tokio::sync::watch;

/// A point that the server passes only once the test opened it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    is_open: watch::Sender<bool>,
    is_reached: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Ends { is_open: watch::Sender::new(false), is_reached: watch::Sender::new(false) }))
    }

    /// Lets the server pass, now and later.
    pub fn open(&self) {
        self.0.is_open.send_replace(true);
    }

    /// Resolves when the server has come to the gate: everything before it is on its way.
    pub async fn reached(&self) {
        // The sender lives in `self`, so waiting can't fail.
        drop(self.0.is_reached.subscribe().wait_for(|reached| *reached).await);
    }

    pub(super) async fn pass(&self) {
        self.0.is_reached.send_replace(true);
        drop(self.0.is_open.subscribe().wait_for(|open| *open).await);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
