//! What an earlier process left open.

use std::sync::Arc;

use exoclaw_protocol::ErrorCode;
use exoclaw_store::{OpenRun, Page, ReadError, Record, RunOutcome, Store};

use crate::{
    journal::{Chain, Journal},
    runtime::Inner,
    session::Queued,
};

/// Entries that are read at once in search of a run's start.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

/// Runs that had not started wait for their turn again. Those that had are ended as interrupted, and no tool of theirs
/// is called a second time. What can't be read or written is logged and harms no other session.
pub(crate) async fn recover(inner: &Arc<Inner>) -> Result<(), ReadError> {
    for open in inner.store.open_runs().await? {
        match has_started(&*inner.store, &open).await {
            Ok(false) => requeue(inner, &open),
            Ok(true) => interrupt(inner, &open).await,
            Err(error) => {
                tracing::error!(session = %open.session, run = %open.run_id, error = %Chain(&error), "open run can't be read");
                interrupt(inner, &open).await;
            }
        }
    }
    Ok(())
}

async fn has_started(store: &dyn Store, open: &OpenRun) -> Result<bool, ReadError> {
    let mut after = open.accepted_seq;
    loop {
        let entries = store.read(&open.session, after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(false) };
        after = last.seq;
        let is_start = |record: &Record| matches!(record, Record::RunStarted { run_id } if *run_id == open.run_id);
        if entries.iter().any(|entry| is_start(&entry.record)) {
            return Ok(true);
        }
    }
}

fn requeue(inner: &Arc<Inner>, open: &OpenRun) {
    tracing::info!(session = %open.session, run = %open.run_id, "run waits again");
    let lease = inner.sessions.lease(&open.session);
    let place = inner.load.take_anyway();
    let queued = Queued { run_id: open.run_id.clone(), accepted: open.accepted_seq, start: 0, place };
    lease.session().lock().queue.push_back(queued);
    inner.work(&lease);
}

async fn interrupt(inner: &Arc<Inner>, open: &OpenRun) {
    tracing::info!(session = %open.session, run = %open.run_id, "run was interrupted");
    let (store, clock) = (inner.store.clone(), inner.clock.clone());
    let journal = Journal { store, clock, session: open.session.clone(), run_id: open.run_id.clone() };
    let message = "the daemon stopped while the run was under way: send again".to_owned();
    let outcome = RunOutcome::Failed { code: ErrorCode::Interrupted, message, text: String::new() };
    if let Err(error) = journal.append(Record::RunEnded { run_id: open.run_id.clone(), outcome }).await {
        tracing::error!(session = %open.session, run = %open.run_id, error = %Chain(&error), "interrupted run can't be ended");
    }
}
