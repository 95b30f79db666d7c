//! Waiting for what can't be awaited.

use std::{fmt::Debug, time::Duration};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until `look` gives a value.
///
/// # Panics
/// When the deadline has passed; the message holds what `look` saw last.
#[track_caller]
pub fn wait_for<T, S: Debug>(deadline: Duration, mut look: impl FnMut() -> Result<T, S>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            match look() {
                Ok(value) => return value,
                Err(seen) if tokio::time::Instant::now() >= end => {
                    panic!("{caller}: not within {deadline:?}; last seen: {seen:?}")
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
