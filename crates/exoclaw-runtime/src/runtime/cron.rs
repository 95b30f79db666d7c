//! Jobs of the scheduler.

use std::sync::Arc;

use exoclaw_protocol::{
    CronAddParams, CronGetParams, CronListResult, CronRemoveParams, CronRemoveResult, CronRunParams, CronRunsParams,
    CronRunsResult, CronStatusResult, CronUpdateParams, ErrorCode, Job, JobRun, JobStatus, Message, RpcError, RunId,
    Schedule, SendFailure, SessionKey, SessionRef, TokenName, limits,
};
use exoclaw_store::RunOutcome;

use tokio::sync::broadcast;

use super::{Inner, Runtime};
use crate::{
    cron::{Change, Command, JobEvent, Kept, Timetable},
    journal::read_refusal,
};

impl Runtime {
    /// Answers `cron.status`.
    ///
    /// # Errors
    /// When the daemon is stopping.
    pub async fn cron_status(&self) -> Result<CronStatusResult, RpcError> {
        let jobs = self.inner.cron.ask(Command::List).await?;
        let enabled = jobs.iter().filter(|kept| kept.job.enabled).count() as u64;
        let next_due_ms = jobs.iter().filter_map(|kept| kept.job.next_due_ms).min();
        Ok(CronStatusResult { jobs: jobs.len() as u64, enabled, next_due_ms })
    }

    /// What happens to jobs from now on. Who falls too far behind misses the oldest.
    pub fn job_events(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.inner.cron.listen()
    }

    /// Answers `cron.list`.
    ///
    /// # Errors
    /// When the store can't be read, or the daemon is stopping.
    pub async fn cron_list(&self) -> Result<CronListResult, RpcError> {
        let mut jobs = Vec::new();
        for kept in self.inner.cron.ask(Command::List).await? {
            jobs.push(self.inner.with_last(kept).await?);
        }
        Ok(CronListResult { jobs })
    }

    /// Answers `cron.get`.
    ///
    /// # Errors
    /// `unknown_job`; when the store can't be read, or the daemon is stopping.
    pub async fn cron_get(&self, params: CronGetParams) -> Result<Job, RpcError> {
        self.inner.with_last(self.inner.cron.ask(|reply| Command::Get(params.id, reply)).await?).await
    }

    /// Answers `cron.runs`.
    ///
    /// # Errors
    /// `unknown_job`; when the store can't be read, or the daemon is stopping.
    pub async fn cron_runs(&self, params: CronRunsParams) -> Result<CronRunsResult, RpcError> {
        let kept = self.inner.cron.ask(|reply| Command::Get(params.id, reply)).await?;
        let mut runs = Vec::with_capacity(kept.runs.len());
        for run in kept.runs {
            runs.push(self.inner.as_it_is(run).await?);
        }
        Ok(CronRunsResult { runs })
    }

    /// Answers `cron.add`, once the job is durable. Its runs count against the budgets of the credential, too.
    ///
    /// # Errors
    /// `conflict` when there is a job of this name; `invalid_params` when the schedule is none or never comes, or message
    /// or session are not valid; `too_large` beyond a limit; when the store takes no writes, or the daemon is stopping.
    pub async fn cron_add(&self, by: Option<TokenName>, params: CronAddParams) -> Result<Job, RpcError> {
        let CronAddParams { id, schedule, text, session, agent, label, enabled, delete_after_run, timeout_ms } = params;
        let session = match (session, agent) {
            (Some(_), Some(_)) => return Err(RpcError::invalid_params("give either session or agent, not both")),
            (Some(session), None) => session,
            (None, agent) => {
                let agent = agent.unwrap_or_else(|| self.inner.router.default_agent().clone());
                let key = SessionKey::new(&agent, ["cron", id.as_str()]);
                SessionRef::Key(key.map_err(|error| RpcError::invalid_params(error.to_string()))?)
            }
        };
        let session = self.inner.resolve(&session)?;
        self.inner.check_job_text(&text)?;
        let label = label.map(checked_label).transpose()?.flatten();
        self.ready()?;
        let now_ms = self.inner.clock.now_ms();
        let (schedule, timetable) = understand(schedule, now_ms).await?;
        let job = Job {
            id,
            schedule,
            session,
            text,
            label,
            enabled: enabled.unwrap_or(true),
            delete_after_run: delete_after_run.unwrap_or(false),
            timeout_ms,
            by,
            created_ms: now_ms,
            updated_ms: now_ms,
            next_due_ms: None,
            last: None,
            problem: None,
        };
        self.inner.cron.ask(|reply| Command::Add(Box::new((job, timetable)), reply)).await
    }

    /// Answers `cron.update`, once the change is durable.
    ///
    /// # Errors
    /// `unknown_job`; otherwise as [`cron_add`](Self::cron_add).
    pub async fn cron_update(&self, params: CronUpdateParams) -> Result<Job, RpcError> {
        let CronUpdateParams { id, schedule, text, session, label, enabled, delete_after_run, timeout_ms } = params;
        let session = session.map(|session| self.inner.resolve(&session)).transpose()?;
        if let Some(text) = &text {
            self.inner.check_job_text(text)?;
        }
        if let Some(label) = &label {
            checked_label(label.clone())?;
        }
        self.ready()?;
        let schedule = match schedule {
            Some(schedule) => Some(understand(schedule, self.inner.clock.now_ms()).await?),
            None => None,
        };
        let change = Box::new(Change { id, schedule, text, session, label, delete_after_run, enabled, timeout_ms });
        self.inner.cron.ask(|reply| Command::Update(change, reply)).await
    }

    /// Answers `cron.remove`, once that is durable.
    ///
    /// # Errors
    /// When the store takes no writes, or the daemon is stopping.
    pub async fn cron_remove(&self, params: CronRemoveParams) -> Result<CronRemoveResult, RpcError> {
        let removed = self.inner.cron.ask(|reply| Command::Remove(params.id, reply)).await?;
        Ok(CronRemoveResult { removed })
    }

    /// Answers `cron.run`, once the message is durable.
    ///
    /// # Errors
    /// `unknown_job`; otherwise as [`send`](Self::send) where the same may succeed later.
    pub async fn cron_run(&self, params: CronRunParams) -> Result<JobRun, RpcError> {
        self.inner.cron.ask(|reply| Command::Run(params.id, reply)).await
    }
}

impl Inner {
    fn check_job_text(&self, text: &str) -> Result<(), RpcError> {
        if text.len() > limits::CRON_TEXT_BYTES {
            let text = format!("text: a job's message has at most {} bytes", limits::CRON_TEXT_BYTES);
            return Err(RpcError::new(ErrorCode::TooLarge, text));
        }
        if text.trim().is_empty() {
            return Err(RpcError::invalid_params("text: the message is empty"));
        }
        if self.is_stop_word(&Message::user(text)) {
            return Err(RpcError::invalid_params("text: the message is a word that stops runs, and is no message"));
        }
        Ok(())
    }

    /// A job, with what became of it last.
    async fn with_last(&self, Kept { mut job, runs }: Kept) -> Result<Job, RpcError> {
        job.last = match runs.into_iter().next() {
            Some(last) => Some(self.as_it_is(last).await?),
            None => None,
        };
        Ok(job)
    }

    /// An entry, with how its run ended by now.
    pub(crate) async fn as_it_is(&self, mut entry: JobRun) -> Result<JobRun, RpcError> {
        let Some(run_id) = &entry.run_id else { return Ok(entry) };
        (entry.status, entry.failure) = match self.outcome_of(run_id).await? {
            None => (JobStatus::Deleted, None),
            Some(None | Some(RunOutcome::Joined { .. })) => (JobStatus::Pending, None),
            Some(Some(RunOutcome::Ok)) => (JobStatus::Ok, None),
            Some(Some(RunOutcome::Aborted { .. })) => (JobStatus::Aborted, None),
            Some(Some(RunOutcome::Failed { code, message, .. })) => {
                (JobStatus::Error, Some(SendFailure { code, message }))
            }
        };
        Ok(entry)
    }

    /// How a run ended, if it has; of one that joined another, how that one did. None where there is no such run.
    async fn outcome_of(&self, run_id: &RunId) -> Result<Option<Option<RunOutcome>>, RpcError> {
        let find = async |run_id| self.store.find_run(run_id).await.map_err(|error| read_refusal(&error));
        let outcome = find(run_id).await?.map(|found| found.outcome);
        // A run that others joined joins none itself.
        match &outcome {
            Some(Some(RunOutcome::Joined { into, .. })) => Ok(find(into).await?.map(|found| found.outcome)),
            _ => Ok(outcome),
        }
    }
}

/// What people call a job; none where that is empty.
fn checked_label(label: String) -> Result<Option<String>, RpcError> {
    if label.len() > limits::LABEL_BYTES {
        let text = format!("label: want at most {} bytes", limits::LABEL_BYTES);
        return Err(RpcError::invalid_params(text));
    }
    Ok(Some(label).filter(|label| !label.trim().is_empty()))
}

/// Understands a schedule, on a thread that may read the system's time zones. One that counts from nothing counts from now.
async fn understand(mut schedule: Schedule, now_ms: u64) -> Result<(Schedule, Timetable), RpcError> {
    if let Schedule::Every { anchor_ms, .. } = &mut schedule {
        anchor_ms.get_or_insert(now_ms);
    }
    let understood = tokio::task::spawn_blocking(move || {
        let timetable = Timetable::new(&schedule, now_ms)?;
        // Looked for here, for it may take long where it is rare.
        timetable
            .next_after(now_ms)
            .ok_or_else(|| RpcError::invalid_params("schedule: no time of it is in the future"))?;
        Ok((schedule, timetable))
    });
    understood.await.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?
}
