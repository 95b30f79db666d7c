//! The clock, injected so that tests own the time.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use exoclaw_protocol::RunId;
use uuid::{NoContext, Timestamp, Uuid};

/// Tells the time of day.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is handed")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Names numberings of events: the time in milliseconds, or one more than the last where that would not grow.
#[derive(Debug, Default)]
pub(crate) struct Epochs(AtomicU64);

impl Epochs {
    pub(crate) fn next(&self, clock: &dyn Clock) -> u64 {
        let now = clock.now_ms();
        let grow = |last: u64| now.max(last.saturating_add(1));
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(grow(last)));
        grow(last.unwrap_or_else(|last| last))
    }
}

/// Waits so long; for ever where there is nothing to wait for.
pub(crate) async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// A new run's id: UUID version 7 (RFC 9562), so that ids sort by time.
#[expect(clippy::expect_used, reason = "32 hexadecimal digits are a valid run id")]
pub(crate) fn new_run_id(clock: &dyn Clock) -> RunId {
    let now = clock.now_ms();
    let nanos = u32::try_from(now % 1_000 * 1_000_000).unwrap_or_default();
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, now / 1_000, nanos));
    id.simple().to_string().parse().expect("a run id")
}
