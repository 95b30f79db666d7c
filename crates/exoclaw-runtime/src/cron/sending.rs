//! What is done for a job at one of its times.

use exoclaw_protocol::{
    ChatSendParams, ErrorCode, IdempotencyKey, Job, JobRun, JobStatus, Message, RpcError, RunId, RunStatus,
    RunWaitParams, SendFailure, limits,
};
use exoclaw_store::RunSummary;

use super::{Kept, scheduler::Entry};
use crate::{
    Runtime,
    journal::{Chain, append_refusal, read_refusal},
};

impl Runtime {
    /// Sends a job's message for the time that is due, or says why not, and moves the job on: what became of it. After an error it is due as before.
    pub(super) async fn see_to(&self, entry: &mut Entry, now_ms: u64) -> Result<Option<JobRun>, RpcError> {
        let (Some(due_ms), Ok(timetable)) = (entry.kept.job.next_due_ms, &entry.timetable) else { return Ok(None) };
        let mut kept = entry.kept.clone();
        let missed = |due_ms| JobRun { due_ms, at_ms: now_ms, status: JobStatus::Missed, run_id: None, failure: None };
        let latest = timetable.latest(due_ms, now_ms);
        // What was sent just before a crash ran.
        let sent = if latest == Some(due_ms) { None } else { self.sent(&kept.job, due_ms).await? };
        if let Some(run_id) = sent {
            enter(&mut kept.runs, pending(due_ms, now_ms, run_id));
        } else if latest != Some(due_ms) {
            enter(&mut kept.runs, missed(due_ms));
        }
        if let Some(latest) = latest {
            let run = if self.sent(&kept.job, latest).await?.is_none() && self.is_under_way(&kept.runs).await? {
                missed(latest)
            } else {
                self.send_job(&kept.job, latest, now_ms).await?
            };
            enter(&mut kept.runs, run);
        }
        kept.job.next_due_ms = timetable.next_after(now_ms.max(due_ms));
        self.keep_job(&kept).await?;
        (entry.kept, entry.not_before_ms) = (kept, 0);
        Ok(entry.kept.runs.first().cloned())
    }

    /// A run's entry once the run has ended, or can't be found any more.
    pub(super) async fn end_of(&self, run: JobRun) -> JobRun {
        let Some(run_id) = run.run_id.clone() else { return run };
        loop {
            let params = RunWaitParams { run_id: run_id.clone(), timeout_ms: Some(u64::MAX) };
            match self.wait(params).await {
                Ok(waited) if waited.status == RunStatus::Pending => {}
                Ok(_) | Err(_) => return self.inner.as_it_is(run.clone()).await.unwrap_or(run),
            }
        }
    }

    /// Sends a job's message for one of its times; twice for the same time is once. What can't be sent now and perhaps later is an error.
    pub(super) async fn send_job(&self, job: &Job, due_ms: u64, at_ms: u64) -> Result<JobRun, RpcError> {
        let refused = |code, message| {
            let failure = Some(SendFailure { code, message });
            JobRun { due_ms, at_ms, status: JobStatus::Error, run_id: None, failure }
        };
        if self.inner.is_stop_word(&Message::user(&job.text)) {
            return Ok(refused(ErrorCode::InvalidParams, "the message is a word that stops".to_owned()));
        }
        let params = ChatSendParams {
            idempotency_key: Some(key(job, due_ms)?),
            timeout_ms: job.timeout_ms,
            ..ChatSendParams::text(job.session.clone().into(), &job.text)
        };
        match self.send_by(job.by.clone(), params).await {
            Ok((sent, _)) => Ok(pending(due_ms, at_ms, sent.run_id)),
            // Its run waits for a start, or the job was changed after a crash.
            Err(error) => match self.sent(job, due_ms).await? {
                Some(run_id) => Ok(pending(due_ms, at_ms, run_id)),
                None if error.code.is_retryable() => Err(error),
                None => Ok(refused(error.code, error.message)),
            },
        }
    }

    /// The run that was sent for one of a job's times.
    async fn sent(&self, job: &Job, due_ms: u64) -> Result<Option<RunId>, RpcError> {
        let found = self.inner.store.find_key(&job.session, &key(job, due_ms)?).await;
        Ok(found.map_err(|error| read_refusal(&error))?.map(|found| found.run_id))
    }

    /// The job's latest run has not ended.
    pub(super) async fn is_under_way(&self, runs: &[JobRun]) -> Result<bool, RpcError> {
        let Some(run_id) = runs.iter().find_map(|run| run.run_id.as_ref()) else { return Ok(false) };
        let found = self.inner.store.find_run(run_id).await.map_err(|error| read_refusal(&error))?;
        Ok(found.is_some_and(|RunSummary { outcome, .. }| outcome.is_none()))
    }

    pub(super) async fn keep_job(&self, kept: &Kept) -> Result<(), RpcError> {
        let text =
            serde_json::to_string(kept).map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
        let kept = self.inner.store.set_job(&kept.job.id, Some(text)).await;
        kept.inspect_err(|error| tracing::debug!(error = %Chain(error), "a job can't be kept"))
            .map_err(|error| append_refusal(&error))
    }
}

/// Of times that were missed in a row, the latest is kept.
pub(super) fn enter(runs: &mut Vec<JobRun>, run: JobRun) {
    let is_missed = |run: &JobRun| run.status == JobStatus::Missed;
    if is_missed(&run) && runs.first().is_some_and(is_missed) {
        runs.remove(0);
    }
    runs.insert(0, run);
    runs.truncate(limits::CRON_RUNS);
}

fn pending(due_ms: u64, at_ms: u64, run_id: RunId) -> JobRun {
    JobRun { due_ms, at_ms, status: JobStatus::Pending, run_id: Some(run_id), failure: None }
}

/// Of a job that was made anew, another one.
fn key(job: &Job, due_ms: u64) -> Result<IdempotencyKey, RpcError> {
    let key = format!("cron:{}:{}:{due_ms}", job.id, job.created_ms);
    key.parse().map_err(|error: exoclaw_protocol::IdError| RpcError::new(ErrorCode::Internal, error.to_string()))
}
