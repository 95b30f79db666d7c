//! Waiting for the end of a run.

use std::time::Duration;

use exoclaw_protocol::{
    Block, ErrorCode, Message, RpcError, RunId, RunStatus, RunWaitParams, RunWaitResult, SendFailure, Usage, limits,
};
use exoclaw_store::{Page, Record, RunOutcome, RunSummary};
use tokio::time::{Instant, timeout_at};

use super::{Inner, Runtime};
use crate::journal::read_refusal;

/// Time to wait where nobody says how long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Entries that are read at once.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

impl Runtime {
    /// Answers `run.wait`: when the run has ended, or its time is over. Of a run whose message another one answers, that one
    /// is waited for.
    ///
    /// # Errors
    /// `unknown_run` when there is none, or the store can't be read.
    pub async fn wait(&self, params: RunWaitParams) -> Result<RunWaitResult, RpcError> {
        let patience = params.timeout_ms.map_or(PATIENCE, Duration::from_millis).min(limits::RUN_WAIT);
        let end = Instant::now() + patience;
        let (asked, mut run_id) = (params.run_id.clone(), params.run_id);
        loop {
            let found = self.inner.find_run(&run_id).await?;
            let lease = self.inner.sessions.lease(&found.session);
            let mut newest = lease.session().newest();
            // Looked at again: it may have ended before anybody listened.
            let found = self.inner.find_run(&run_id).await?;
            match &found.outcome {
                Some(RunOutcome::Joined { into, .. }) => run_id = into.clone(),
                Some(_) => return self.inner.told(asked, found).await,
                // Each event may be its end; whoever waits keeps the session in memory, and so the sender.
                None => {
                    if timeout_at(end, newest.changed()).await.is_err() {
                        return self.inner.told(asked, found).await;
                    }
                }
            }
        }
    }
}

impl Inner {
    async fn find_run(&self, run_id: &RunId) -> Result<RunSummary, RpcError> {
        let found = self.store.find_run(run_id).await.map_err(|error| read_refusal(&error))?;
        found.ok_or_else(|| RpcError::new(ErrorCode::UnknownRun, format!("there is no run {run_id}")))
    }

    async fn told(&self, run_id: RunId, run: RunSummary) -> Result<RunWaitResult, RpcError> {
        let RunSummary { session, run_id: answered_by, accepted_seq, accepted_ms, outcome } = run;
        let mut result = RunWaitResult {
            run_id,
            answered_by,
            session,
            status: RunStatus::Pending,
            text: String::new(),
            usage: Usage::default(),
            failure: None,
            reason: None,
            accepted_ms,
            ended_ms: None,
        };
        let Some(outcome) = outcome else { return Ok(result) };
        self.read_answer(&mut result, accepted_seq).await?;
        match outcome {
            RunOutcome::Ok | RunOutcome::Joined { .. } => result.status = RunStatus::Ok,
            RunOutcome::Aborted { text, reason } => {
                (result.status, result.text, result.reason) = (RunStatus::Aborted, text, Some(reason));
            }
            RunOutcome::Failed { code, message, text } => {
                (result.status, result.text) = (RunStatus::Error, text);
                result.failure = Some(SendFailure { code, message });
            }
        }
        Ok(result)
    }

    /// Reads what the model said last, what it counted in all, and when the run ended.
    async fn read_answer(&self, result: &mut RunWaitResult, accepted: u64) -> Result<(), RpcError> {
        let mut after = accepted;
        loop {
            let entries = self.store.read(&result.session, after, PAGE).await.map_err(|error| read_refusal(&error))?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            for entry in entries.into_iter().filter(|entry| entry.record.run_id() == Some(&result.answered_by)) {
                match entry.record {
                    Record::Step { content, usage, .. } => {
                        result.text = text(content);
                        result.usage += usage;
                    }
                    Record::RunEnded { .. } => {
                        result.ended_ms = Some(entry.at_ms);
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
    }
}

fn text(content: Vec<Block>) -> String {
    Message::assistant(content).text()
}
