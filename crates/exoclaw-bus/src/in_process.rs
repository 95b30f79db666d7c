//! The default: a bus within one process. What it keeps is lost with the process, so its publishers are in that process too.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exoclaw_protocol::limits::MESSAGE_BYTES;
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Notify;

use crate::{
    Address, Bus, Closed, Delivery, Envelope, Filter, PublishError, Published, Settle, SettleError, Settlement,
    SubscribeError, Subscription,
};
use queue::{GroupId, Queue, Taken};

/// A bus within one process. Clones are the same bus.
#[derive(Debug, Clone, Default)]
pub struct InProcessBus {
    queue: Arc<Mutex<Queue>>,
}

impl InProcessBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the bus: publishers are refused and subscriptions end, also those that wait.
    pub fn close(&self) {
        self.lock().close();
    }

    /// Messages that are kept now, waiting or handed out.
    pub fn kept(&self) -> usize {
        self.lock().kept()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Each change of the queue is made whole under the lock, so that a panic elsewhere leaves it sound.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what would be written.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn json_bytes(envelope: &Envelope) -> Result<usize, serde_json::Error> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, envelope)?;
    Ok(counter.0)
}

impl Bus for InProcessBus {
    fn publish(&self, to: Address, envelope: Envelope) -> BoxFuture<'_, Result<Published, PublishError>> {
        let publish = || {
            let bytes = match json_bytes(&envelope) {
                Ok(bytes) if bytes > MESSAGE_BYTES => return Err(PublishError::TooLarge { address: to, bytes }),
                Ok(bytes) => bytes,
                Err(source) => return Err(PublishError::Backend { address: to, source: source.into() }),
            };
            self.lock().publish(to, envelope, bytes)
        };
        std::future::ready(publish()).boxed()
    }

    fn subscribe(&self, filter: Filter) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>> {
        let joined = self.lock().join(filter);
        let subscription = joined.map(|(group, changed)| {
            let subscription = Consumer { bus: self.clone(), group, changed };
            Box::new(subscription) as Box<dyn Subscription>
        });
        std::future::ready(subscription).boxed()
    }
}

/// One subscription.
struct Consumer {
    bus: InProcessBus,
    group: GroupId,
    changed: Arc<Notify>,
}

impl Subscription for Consumer {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Closed>> {
        async {
            loop {
                // Listens before it looks, so that what comes in between is not missed.
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let taken = self.bus.lock().take(self.group)?;
                match taken {
                    Some(taken) => return Ok(self.deliver(taken)),
                    None => changed.await,
                }
            }
        }
        .boxed()
    }
}

impl Consumer {
    fn deliver(&self, taken: Taken) -> Delivery {
        let Taken { number, address, envelope, attempt } = taken;
        let hold = Hold { bus: self.bus.clone(), number, how: Settle::Again };
        Delivery::new(address, envelope, attempt, Box::new(hold))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.bus.lock().leave(self.group);
    }
}

/// Tells the queue when it is dropped: unless something else was decided, that the message is to come again.
struct Hold {
    bus: InProcessBus,
    number: u64,
    how: Settle,
}

impl Settlement for Hold {
    fn settle(mut self: Box<Self>, how: Settle) -> BoxFuture<'static, Result<(), SettleError>> {
        self.how = how;
        drop(self);
        std::future::ready(Ok(())).boxed()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.bus.lock().settle(self.number, self.how);
    }
}
