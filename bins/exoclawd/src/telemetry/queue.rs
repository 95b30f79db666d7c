//! Spans between where they end and where they are sent.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::mpsc;

use super::layer::Ended;

/// Spans that wait to be sent. When full, further ones are dropped and counted.
const SPANS: usize = 2_048;

/// The same in bytes, as spans with content are large.
const BYTES: usize = 4 * 1024 * 1024;

/// Room for spans, and what found none.
#[derive(Debug, Default)]
struct Room {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// Where spans are put.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<Ended>,
    room: Arc<Room>,
}

/// Where they are taken from.
#[derive(Debug)]
pub(super) struct Waiting {
    spans: mpsc::Receiver<Ended>,
    room: Arc<Room>,
}

pub(super) fn queue() -> (Queue, Waiting) {
    let (sender, receiver) = mpsc::channel(SPANS);
    let room = Arc::<Room>::default();
    (Queue { spans: sender, room: Arc::clone(&room) }, Waiting { spans: receiver, room })
}

impl Queue {
    pub(super) fn put(&self, span: Ended) {
        let bytes = span.bytes();
        let fits = self.room.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes) <= BYTES;
        if !fits || self.spans.try_send(span).is_err() {
            self.room.bytes.fetch_sub(bytes, Relaxed);
            self.room.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Waiting {
    /// Waits for spans and adds up to `limit` of them to `batch`; waits for ever when none can come. Cancelled, it has
    /// taken none.
    pub(super) async fn take(&mut self, batch: &mut Vec<Ended>, limit: usize) {
        if self.spans.recv_many(batch, limit).await == 0 {
            std::future::pending().await
        }
    }

    /// Adds those that are there.
    pub(super) fn take_rest(&mut self, batch: &mut Vec<Ended>) {
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
    }

    /// Makes room again for spans that are dealt with.
    pub(super) fn free(&self, spans: &[Ended]) {
        self.room.bytes.fetch_sub(spans.iter().map(Ended::bytes).sum(), Relaxed);
    }

    /// How many found no room since this was asked last.
    pub(super) fn dropped(&self) -> u64 {
        self.room.dropped.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(text: usize) -> Ended {
        let attributes = vec![("text", json!({ "stringValue": "x".repeat(text) }))];
        Ended { attributes, ..Ended::default() }
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let (queue, mut waiting) = queue();
        (0..SPANS + 3).for_each(|_| queue.put(span(0)));
        let mut batch = Vec::new();
        waiting.take_rest(&mut batch);
        assert_eq!((batch.len(), waiting.dropped(), waiting.dropped()), (SPANS, 3, 0));
        waiting.free(&batch);
        assert_eq!(waiting.room.bytes.load(Relaxed), 0);
    }

    #[test]
    fn few_large_spans_fill_it_too() {
        let (queue, mut waiting) = queue();
        (0..5).for_each(|_| queue.put(span(BYTES / 4)));
        let mut batch = Vec::new();
        waiting.take_rest(&mut batch);
        assert_eq!((batch.len(), waiting.dropped()), (3, 2));
        // Those that are being sent take room until they are.
        queue.put(span(BYTES / 4));
        assert_eq!(waiting.dropped(), 1);
        waiting.free(&batch);
        queue.put(span(BYTES / 4));
        assert_eq!(waiting.dropped(), 0);
    }
}
