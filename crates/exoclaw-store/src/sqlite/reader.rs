//! The threads that read, each with a connection of its own.

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use futures::channel::oneshot;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::ReadError;

/// Reads that wait or are under way; whoever comes later waits for a place, in order, without blocking a thread.
const QUEUE_READS: usize = 64;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Where reads are handed in.
pub(super) struct Reads {
    places: Arc<Semaphore>,
    /// As long as the number of places, so that whoever has one need not wait here. `None` once closed.
    sender: Mutex<Option<SyncSender<Job>>>,
}

/// The threads' side; they take turns at the queue.
#[derive(Clone)]
pub(super) struct Jobs(Arc<Mutex<Receiver<Job>>>);

pub(super) fn channel() -> (Reads, Jobs) {
    let (sender, receiver) = sync_channel(QUEUE_READS);
    let reads = Reads { places: Arc::new(Semaphore::new(QUEUE_READS)), sender: Mutex::new(Some(sender)) };
    (reads, Jobs(Arc::new(Mutex::new(receiver))))
}

impl Reads {
    /// Runs `work` on a reader's connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have left: then the read is spared.
            if !reply.is_canceled() {
                drop(reply.send(work(connection)));
            }
            drop(place);
        });
        self.submit(job)?;
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    fn submit(&self, job: Job) -> Result<(), ReadError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(ReadError::Closed)?;
        sender.try_send(job).map_err(|_| ReadError::Closed)
    }

    /// Takes no more reads; the threads end when they have done what waits.
    pub(super) fn close(&self) {
        self.places.close();
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Jobs {
    /// Reads until the queue is closed and empty.
    pub(super) fn run(self, connection: &Connection) {
        while let Some(job) = self.next() {
            job(connection);
        }
    }

    fn next(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }
}
