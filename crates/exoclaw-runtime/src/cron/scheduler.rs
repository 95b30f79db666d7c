//! The task that owns the jobs.

use std::{collections::BTreeMap, time::Duration};

use exoclaw_protocol::{ErrorCode, Job, JobId, JobRun, JobStatus, RpcError, Schedule, limits};
use exoclaw_store::{ReadError, Store};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{Change, Command, JobAction, Kept, Timetable, sending::enter};
use crate::{Runtime, clock::after, journal::append_refusal};

/// Longest time without a look at the clock, which may be set, or go on while the machine sleeps.
const LOOK: Duration = Duration::from_secs(60);

/// Time until a job is tried again whose message can't be taken at present.
const AGAIN_MS: u64 = 10_000;

/// Runs whose end is waited for.
const RUNS: usize = 2 * limits::CRON_JOBS;

/// A job that is known here.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kept: Kept,
    /// Why not, where this machine does not understand the schedule any more: it is never due.
    pub(super) timetable: Result<Timetable, String>,
    /// Its message or its end could not be kept: not before this time again.
    pub(super) not_before_ms: u64,
}

impl Entry {
    fn due_ms(&self) -> Option<u64> {
        let due_ms = self.kept.job.next_due_ms.filter(|_| self.kept.job.enabled && self.timetable.is_ok())?;
        Some(due_ms.max(self.not_before_ms))
    }

    /// As it is told.
    fn told(&self) -> Kept {
        let mut told = self.kept.clone();
        if let (true, Err(problem)) = (told.job.enabled, &self.timetable) {
            (told.job.next_due_ms, told.job.problem) = (None, Some(problem.clone()));
        }
        told
    }

    /// It was due once, and that is over.
    fn is_over(&self) -> bool {
        let Job { schedule, enabled, next_due_ms, .. } = &self.kept.job;
        matches!(schedule, Schedule::At { .. }) && *enabled && next_due_ms.is_none()
    }
}

/// The jobs that are stored.
pub(crate) struct Jobs(BTreeMap<JobId, Entry>);

impl Jobs {
    /// Reads the jobs. One that is damaged is said in the log, and left as it is.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, ReadError> {
        let understood = store.jobs().await?.into_iter().filter_map(|stored| {
            let kept = stored.text.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
            if kept.is_none() {
                tracing::error!(job = %stored.id, "a job is damaged and never due: remove it, and add it anew");
            }
            Some((stored.id, kept?))
        });
        let understood: Vec<(JobId, Kept)> = understood.collect();
        let entries = tokio::task::spawn_blocking(move || understood.into_iter().map(entry).collect());
        entries.await.map(Self).map_err(|error| ReadError::Failed(error.into()))
    }
}

pub(crate) struct Scheduler {
    runtime: Runtime,
    jobs: BTreeMap<JobId, Entry>,
    commands: mpsc::Receiver<Command>,
    /// Runs of jobs that have not ended, at most [`RUNS`]: the end of further ones is not told.
    runs: FuturesUnordered<BoxFuture<'static, (JobId, JobRun)>>,
}

impl Scheduler {
    pub(crate) fn new(runtime: Runtime, jobs: Jobs, commands: mpsc::Receiver<Command>) -> Self {
        Self { runtime, jobs: jobs.0, commands, runs: FuturesUnordered::new() }
    }

    /// Until the daemon stops.
    pub(crate) async fn run(mut self) {
        let (closing, stop) = (self.runtime.inner.closing.clone(), self.runtime.inner.tasks.token());
        self.follow_latest().await;
        loop {
            let wait = self.wait();
            // Each branch only receives; what is to be done comes after.
            tokio::select! {
                biased;
                () = closing.cancelled() => return,
                () = stop.cancelled() => return,
                () = after(wait) => self.see_to_due().await,
                Some((id, run)) = self.runs.next() => self.ended(&id, run).await,
                Some(command) = self.commands.recv() => self.obey(command).await,
            }
        }
    }

    /// Waits for the ends of the runs that were under way before.
    async fn follow_latest(&mut self) {
        let latest = |(id, entry): (&JobId, &Entry)| Some((id.clone(), entry.kept.runs.first()?.clone()));
        for (id, run) in self.jobs.iter().filter_map(latest).collect::<Vec<_>>() {
            let leaves = self.jobs.get(&id).is_some_and(|entry| entry.kept.job.delete_after_run);
            if leaves || self.runtime.is_under_way(std::slice::from_ref(&run)).await.unwrap_or(true) {
                self.follow(id, run);
            }
        }
    }

    /// Waits for the end of a run, if it has one.
    fn follow(&mut self, id: JobId, run: JobRun) {
        if run.run_id.is_some() && self.runs.len() < RUNS {
            let runtime = self.runtime.clone();
            self.runs.push(Box::pin(async move { (id, runtime.end_of(run).await) }));
        }
    }

    /// A run has ended: that is told, and a job that was made for it goes.
    async fn ended(&mut self, id: &JobId, run: JobRun) {
        let Some(entry) = self.jobs.get(id).filter(|_| run.status != JobStatus::Pending) else { return };
        self.runtime.inner.cron.tell(JobAction::Finished, &entry.kept.job, Some(&run));
        let is_latest = entry.kept.runs.first().is_some_and(|latest| latest.run_id == run.run_id);
        let goes = entry.is_over() && entry.kept.job.delete_after_run && is_latest && run.status == JobStatus::Ok;
        if goes && let Err(error) = self.remove(id).await {
            tracing::warn!(job = %id, %error, "a job that is over can't be removed");
        }
    }

    /// Time until something is due.
    fn wait(&self) -> Option<Duration> {
        let due_ms = self.jobs.values().filter_map(Entry::due_ms).min()?;
        Some(Duration::from_millis(due_ms.saturating_sub(self.now_ms())).min(LOOK))
    }

    fn now_ms(&self) -> u64 {
        self.runtime.inner.clock.now_ms()
    }

    async fn see_to_due(&mut self) {
        let now_ms = self.now_ms();
        let is_due = |entry: &Entry| entry.due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        let due = self.jobs.iter().filter(|(_, entry)| is_due(entry)).map(|(id, _)| id.clone());
        for id in due.collect::<Vec<_>>() {
            let Some(entry) = self.jobs.get_mut(&id) else { continue };
            match self.runtime.see_to(entry, now_ms).await {
                Ok(Some(run)) => {
                    let action = if run.run_id.is_some() { JobAction::Started } else { JobAction::Finished };
                    self.runtime.inner.cron.tell(action, &entry.kept.job, Some(&run));
                    self.follow(id, run);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(job = %id, %error, "a job can't be seen to at present");
                    entry.not_before_ms = now_ms.saturating_add(AGAIN_MS);
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have left; what was asked is done all the same.
        match command {
            Command::List(reply) => {
                reply.send(Ok(self.jobs.values().map(Entry::told).collect())).ok();
            }
            Command::Get(id, reply) => {
                reply.send(self.jobs.get(&id).map(Entry::told).ok_or_else(|| unknown(&id))).ok();
            }
            Command::Add(new, reply) => drop(reply.send(self.add(*new).await)),
            Command::Update(change, reply) => drop(reply.send(self.update(*change).await)),
            Command::Remove(id, reply) => drop(reply.send(self.remove(&id).await)),
            Command::Run(id, reply) => drop(reply.send(self.run_now(&id).await)),
        }
    }

    async fn add(&mut self, (mut job, timetable): (Job, Timetable)) -> Result<Job, RpcError> {
        if self.jobs.contains_key(&job.id) {
            let text = format!("there is a job {} already: change that one, or take another name", job.id);
            return Err(RpcError::new(ErrorCode::Conflict, text));
        }
        if self.jobs.len() >= limits::CRON_JOBS && !self.make_room().await? {
            let text = format!("there are {} jobs, as many as may be: remove one first", limits::CRON_JOBS);
            return Err(RpcError::new(ErrorCode::TooLarge, text));
        }
        job.next_due_ms = Some(next(&timetable, self.now_ms())?).filter(|_| job.enabled);
        let kept = Kept { job: job.clone(), runs: Vec::new() };
        self.runtime.keep_job(&kept).await?;
        self.jobs.insert(job.id.clone(), Entry { kept, timetable: Ok(timetable), not_before_ms: 0 });
        self.runtime.inner.cron.tell(JobAction::Added, &job, None);
        Ok(job)
    }

    /// Of the jobs whose one time is over, the oldest makes room for a new one.
    async fn make_room(&mut self) -> Result<bool, RpcError> {
        let over = self.jobs.values().filter(|entry| entry.is_over());
        let oldest = over.min_by_key(|entry| entry.kept.runs.first().map(|run| run.at_ms));
        let Some(id) = oldest.map(|entry| entry.kept.job.id.clone()) else { return Ok(false) };
        self.remove(&id).await
    }

    async fn update(&mut self, change: Change) -> Result<Job, RpcError> {
        let now_ms = self.now_ms();
        let Change { id, schedule, text, session, label, delete_after_run, enabled, timeout_ms } = change;
        let entry = self.jobs.get_mut(&id).ok_or_else(|| unknown(&id))?;
        let (mut kept, mut timetable) = (entry.kept.clone(), entry.timetable.clone());
        let job = &mut kept.job;
        let anew = schedule.is_some() || enabled.is_some_and(|enabled| enabled && !job.enabled);
        if let Some((schedule, understood)) = schedule {
            (job.schedule, timetable) = (schedule, Ok(understood));
        }
        job.text = text.unwrap_or_else(|| std::mem::take(&mut job.text));
        job.session = session.unwrap_or_else(|| job.session.clone());
        if let Some(label) = label {
            job.label = Some(label).filter(|label| !label.trim().is_empty());
        }
        job.delete_after_run = delete_after_run.unwrap_or(job.delete_after_run);
        job.enabled = enabled.unwrap_or(job.enabled);
        job.timeout_ms = timeout_ms.or(job.timeout_ms);
        job.updated_ms = now_ms;
        if !job.enabled {
            job.next_due_ms = None;
        } else if anew {
            let timetable = timetable.as_ref().map_err(RpcError::invalid_params)?;
            job.next_due_ms = Some(next(timetable, now_ms)?);
        }
        self.runtime.keep_job(&kept).await?;
        *entry = Entry { kept, timetable, not_before_ms: 0 };
        let job = entry.told().job;
        self.runtime.inner.cron.tell(JobAction::Updated, &job, None);
        Ok(job)
    }

    /// A damaged job, which is not known here, is removed as well.
    async fn remove(&mut self, id: &JobId) -> Result<bool, RpcError> {
        self.runtime.inner.store.set_job(id, None).await.map_err(|error| append_refusal(&error))?;
        let Some(removed) = self.jobs.remove(id) else { return Ok(false) };
        self.runtime.inner.cron.tell(JobAction::Removed, &removed.kept.job, None);
        Ok(true)
    }

    async fn run_now(&mut self, id: &JobId) -> Result<JobRun, RpcError> {
        let now_ms = self.now_ms();
        let entry = self.jobs.get_mut(id).ok_or_else(|| unknown(id))?;
        let run = self.runtime.send_job(&entry.kept.job, now_ms, now_ms).await?;
        let mut kept = entry.kept.clone();
        enter(&mut kept.runs, run.clone());
        // It runs, whether or not that can be kept here.
        match self.runtime.keep_job(&kept).await {
            Ok(()) => entry.kept = kept,
            Err(error) => tracing::warn!(job = %id, %error, "that a job was run by hand is not kept"),
        }
        let action = if run.run_id.is_some() { JobAction::Started } else { JobAction::Finished };
        self.runtime.inner.cron.tell(action, &entry.kept.job, Some(&run));
        self.follow(id.clone(), run.clone());
        Ok(run)
    }
}

fn entry((id, kept): (JobId, Kept)) -> (JobId, Entry) {
    let timetable = Timetable::new(&kept.job.schedule, kept.job.created_ms);
    let timetable = timetable.inspect_err(|error| tracing::warn!(job = %id, %error, "a job is never due"));
    let timetable = timetable.map_err(|error| error.message);
    (id, Entry { kept, timetable, not_before_ms: 0 })
}

/// The first time from now on.
fn next(timetable: &Timetable, now_ms: u64) -> Result<u64, RpcError> {
    timetable.next_after(now_ms).ok_or_else(|| RpcError::invalid_params("schedule: no time of it is in the future"))
}

fn unknown(id: &JobId) -> RpcError {
    let text = format!("there is no job {id}: `exoclawd cron list` shows those that are there");
    RpcError::new(ErrorCode::UnknownJob, text)
}
