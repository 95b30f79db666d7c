//! The scheduler: sends the messages of jobs when their time comes.
//!
//! One task owns the jobs, looks at one timer, and takes commands one by one. What it keeps is in the store before it is
//! answered or counts; a message goes out before its job moves on, under a key that names job and time, so that a crash
//! between the two sends nothing twice.

use std::sync::Arc;

use exoclaw_protocol::{Job, JobId, JobRun, RpcError};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::session::shutting_down;

mod expression;
mod scheduler;
mod sending;
#[cfg(test)]
mod tests;
mod timetable;

pub(crate) use scheduler::{Jobs, Scheduler};
pub(crate) use timetable::Timetable;
pub use timetable::{text_of_time, time_of_text};

/// Commands that wait for the scheduler; who comes then waits to be taken.
const COMMANDS: usize = 16;

/// What jobs did that nobody has heard of yet; who is further behind misses the oldest.
const EVENTS: usize = 256;

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobAction {
    /// It was made.
    Added,
    /// It was changed.
    Updated,
    /// It was removed.
    Removed,
    /// Its message was sent.
    Started,
    /// One of its runs has ended, or came to nothing.
    Finished,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEvent {
    /// What happened.
    pub action: JobAction,
    /// The job after that, without what became of it last.
    pub job: Job,
    /// The run that was started or has ended.
    pub run: Option<JobRun>,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Without what became of it last, and why it is never due.
    pub(crate) job: Job,
    /// What became of it, the latest first.
    pub(crate) runs: Vec<JobRun>,
}

/// Where an answer goes. Whoever asked may have left.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RpcError>>;

/// What is asked of the scheduler.
#[derive(Debug)]
pub(crate) enum Command {
    List(Reply<Vec<Kept>>),
    Get(JobId, Reply<Kept>),
    Add(Box<(Job, Timetable)>, Reply<Job>),
    Update(Box<Change>, Reply<Job>),
    Remove(JobId, Reply<bool>),
    Run(JobId, Reply<JobRun>),
}

/// A change of a job: of what is there.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) id: JobId,
    pub(crate) schedule: Option<(exoclaw_protocol::Schedule, Timetable)>,
    pub(crate) text: Option<String>,
    pub(crate) session: Option<exoclaw_protocol::SessionKey>,
    pub(crate) label: Option<String>,
    pub(crate) delete_after_run: Option<bool>,
    pub(crate) enabled: Option<bool>,
    pub(crate) timeout_ms: Option<u64>,
}

/// The way to the scheduler, and what is heard of it.
#[derive(Debug)]
pub(crate) struct Cron {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<Arc<JobEvent>>,
}

impl Cron {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, asked) = mpsc::channel(COMMANDS);
        (Self { commands, events: broadcast::Sender::new(EVENTS) }, asked)
    }

    /// What happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.events.subscribe()
    }

    /// Tells whoever listens.
    pub(crate) fn tell(&self, action: JobAction, job: &Job, run: Option<&JobRun>) {
        self.events.send(Arc::new(JobEvent { action, job: job.clone(), run: run.cloned() })).ok();
    }

    /// Asks, and waits for the answer; a scheduler that has ended answers nothing any more.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, RpcError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| shutting_down())?;
        answer.await.map_err(|_| shutting_down())?
    }
}
