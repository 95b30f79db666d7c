//! Traces and metrics for a collector, over OTLP as JSON (OpenTelemetry protocol 1.x, `http/json`), as the standard
//! variables say. Without them nothing is collected.
//!
//! The spans are those that libraries open under `exoclaw_protocol::telemetry::span::TARGET`; the metrics are the runtime's.

mod encode;
mod layer;
mod queue;
mod settings;
mod target;

use std::{pin::pin, time::Duration};

use exoclaw_runtime::{Clock, Runtime, SystemClock};
use futures::future::{Either, select};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};

use self::{layer::Ended, queue::Waiting};
pub(crate) use self::{layer::Spans, settings::Settings};

/// Spans of one request.
const BATCH: usize = 512;

/// How long the daemon's end waits for a collector.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Collects spans, and sends them with the metrics.
#[derive(Debug)]
pub(crate) struct Telemetry {
    settings: Settings,
    waiting: Waiting,
    /// When counting began, in nanoseconds since 1970.
    since_ns: u64,
}

impl Telemetry {
    /// The part that collects, for the log's registry, and the part that sends.
    pub(crate) fn new(settings: Settings) -> (Spans, Self) {
        let (queue, waiting) = queue::queue();
        let spans = Spans::new(queue, settings.ratio, settings.content);
        (spans, Self { settings, waiting, since_ns: SystemClock.now_ms().saturating_mul(1_000_000) })
    }

    /// Sends until `work` has ended, and then what is left, which takes a few seconds at most.
    pub(crate) async fn run_beside<T>(self, runtime: Runtime, work: impl Future<Output = T>) -> T {
        let (stop, stopped) = oneshot::channel();
        match select(pin!(work), pin!(self.run(runtime, stopped))).await {
            Either::Left((done, sending)) => {
                drop(stop);
                if timeout(LAST_WORDS, sending).await.is_err() {
                    tracing::warn!("the collector is too slow: what was left of the telemetry is lost");
                }
                done
            }
            // It is not stopped before.
            Either::Right(((), work)) => work.await,
        }
    }

    async fn run(mut self, runtime: Runtime, mut stop: oneshot::Receiver<()>) {
        let mut metrics = interval_at(Instant::now() + self.settings.metrics_every, self.settings.metrics_every);
        metrics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        let mut due = Instant::now() + self.settings.spans_every;
        loop {
            let room = BATCH.saturating_sub(batch.len());
            let mut measure = false;
            // All of them only wait; what was taken is in `batch`.
            let is_over = tokio::select! {
                biased;
                _ = &mut stop => true,
                _ = metrics.tick() => { measure = true; false }
                () = sleep_until(due) => false,
                () = self.waiting.take(&mut batch, room) => false,
            };
            if is_over {
                self.waiting.take_rest(&mut batch);
            }
            if is_over || batch.len() >= BATCH || due <= Instant::now() {
                self.send_spans(&runtime, &mut batch).await;
                due = Instant::now() + self.settings.spans_every;
            }
            if is_over || measure {
                self.send_metrics(&runtime).await;
            }
            if is_over {
                return;
            }
        }
    }

    async fn send_spans(&self, runtime: &Runtime, batch: &mut Vec<Ended>) {
        let mut lost = self.waiting.dropped();
        if lost > 0 {
            tracing::warn!(spans = lost, "spans found no room: the collector is too slow");
        }
        for spans in batch.chunks(BATCH) {
            let Some(target) = &self.settings.traces else { continue };
            if !target.send(&encode::spans(&self.settings.resource, spans)).await {
                lost += spans.len() as u64;
            }
        }
        self.waiting.free(batch);
        batch.clear();
        runtime.metrics().spans_lost(lost);
    }

    async fn send_metrics(&self, runtime: &Runtime) {
        if let Some(target) = &self.settings.metrics {
            let now_ns = runtime.clock().now_ms().saturating_mul(1_000_000);
            let families = runtime.measure();
            target.send(&encode::metrics(&self.settings.resource, &families, [self.since_ns, now_ns])).await;
        }
    }
}
