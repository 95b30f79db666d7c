//! Messages for a run that is under way.

use std::sync::Arc;

use exoclaw_agent::{Inbox, RecordError};
use exoclaw_protocol::{Event, Message, RpcError};
use exoclaw_store::{AppendError, Page, ReadError, Record, RunOutcome};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::error_event;
use crate::{
    journal::{Journal, append_refusal, read_refusal},
    live::LiveRun,
    runtime::Inner,
    sessions::Lease,
};

/// Takes messages out of the session's queue that wait for the run's next step.
#[derive(Debug)]
pub(super) struct RunInbox {
    pub(super) inner: Arc<Inner>,
    pub(super) lease: Lease,
    pub(super) journal: Journal,
}

impl Inbox for RunInbox {
    fn take(&self, step: u32) -> BoxFuture<'_, Result<Vec<Message>, RecordError>> {
        let (inner, lease, journal) = (self.inner.clone(), self.lease.clone(), self.journal.clone());
        let (done, taken) = oneshot::channel();
        // Spawned, so that a run which is stopped meanwhile leaves no message half taken.
        let work = async move {
            let steering = LiveRun::steering(&lease);
            // A run that was stopped needs no answer.
            done.send(take(&inner, &journal, steering, step).await).ok();
        };
        let spawned = self.inner.tasks.spawn("steer", work);
        async move {
            spawned.map_err(|_| RecordError(Box::new(AppendError::Closed)))?;
            taken.await.unwrap_or(Err(RecordError(Box::new(AppendError::Closed))))
        }
        .boxed()
    }
}

async fn take(
    inner: &Inner,
    journal: &Journal,
    steering: Vec<LiveRun>,
    step: u32,
) -> Result<Vec<Message>, RecordError> {
    let mut messages = Vec::new();
    for live in &steering {
        match message(inner, live).await {
            Ok(message) => messages.push(message),
            Err(error) => {
                fail(steering, &read_refusal(&error));
                return Err(RecordError(Box::new(error)));
            }
        }
    }
    join(journal, steering, Some(step)).await.map_err(|error| RecordError(Box::new(error)))?;
    Ok(messages)
}

async fn message(inner: &Inner, live: &LiveRun) -> Result<Message, ReadError> {
    let page = Page { entries: 1, bytes: u64::MAX };
    let (session, seq) = (live.session().key(), live.origin.accepted);
    let entries = inner.store.read(session, seq - 1, page).await?;
    match entries.into_iter().next().map(|entry| entry.record) {
        Some(Record::Accepted { message, .. }) => Ok(message),
        _ => {
            let problem = "it is not the message that was accepted".to_owned();
            Err(ReadError::Damaged { session: session.to_string(), seq, problem })
        }
    }
}

/// Ends runs whose messages the run of this journal answers; they are told so once that is durable. Where it can't be made
/// durable, they stay open for the next process.
pub(crate) async fn join(journal: &Journal, runs: Vec<LiveRun>, step: Option<u32>) -> Result<(), AppendError> {
    if runs.is_empty() {
        return Ok(());
    }
    let into = journal.run_id();
    let outcome = RunOutcome::Joined { into: into.clone(), step };
    let ended = |live: &LiveRun| Record::RunEnded { run_id: live.run_id.clone(), outcome: outcome.clone() };
    if let Err(error) = journal.append(runs.iter().map(ended).collect()).await {
        fail(runs, &append_refusal(&error));
        return Err(error);
    }
    for live in runs {
        live.finish(Event::Joined { into: into.clone() });
    }
    Ok(())
}

fn fail(runs: Vec<LiveRun>, error: &RpcError) {
    for live in runs {
        live.finish(error_event(error.clone()));
    }
}
