//! Jobs: messages that the daemon sends by itself when their time comes.

use serde::{Deserialize, Serialize};

use crate::{AgentId, JobId, RunId, SendFailure, SessionKey, SessionRef, TokenName};

/// When a job is due. It is part of the store format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Schedule {
    /// Once.
    At {
        /// Milliseconds since 1970.
        at_ms: u64,
    },
    /// Again and again.
    Every {
        /// Milliseconds between two times, at least [`limits::CRON_INTERVAL`](crate::limits::CRON_INTERVAL).
        every_ms: u64,
        /// The first of the times, in milliseconds since 1970; without it, counted from when the job was made or its schedule changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchor_ms: Option<u64>,
    },
    /// By the calendar.
    Cron {
        /// Minute, hour, day of the month, month and day of the week, as in crontab(5).
        expr: String,
        /// Time zone by its name in the IANA database, such as `Europe/Prague`; UTC without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tz: Option<String>,
    },
}

/// How far a job's run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// The message is durable, and its run has not ended.
    Pending,
    /// The run ended well.
    Ok,
    /// The run was stopped.
    Aborted,
    /// The run failed, or the message was refused.
    Error,
    /// The time passed unused: the daemon did not run, or the job's earlier run had not ended.
    Missed,
    /// The session with the run was deleted.
    Deleted,
}

/// What became of a job at one of its times. It is part of the store format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRun {
    /// When it was due, in milliseconds since 1970; of a run that somebody asked for, when that was.
    pub due_ms: u64,
    /// When that was seen to, in milliseconds since 1970.
    pub at_ms: u64,
    /// What became of it.
    pub status: JobStatus,
    /// The run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Why, where the status is [`JobStatus::Error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<SendFailure>,
}

/// A job. It is part of the store format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// When it is due.
    pub schedule: Schedule,
    /// The session that the message goes to.
    pub session: SessionKey,
    /// The message.
    pub text: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// It is due at all.
    pub enabled: bool,
    /// Of a job that is due once: it goes when its run has ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_after_run: bool,
    /// Time for each run, in milliseconds, in place of what the config says; none for 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The credential that made it, whose budgets count; the owner where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TokenName>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_ms: u64,
    /// When it is due next, in milliseconds since 1970; absent where it is not enabled, or its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<u64>,
    /// What became of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<JobRun>,
    /// Why it is never due at present although it is enabled, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Parameters of `cron.list`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronListParams {}

/// Result of `cron.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronListResult {
    /// The jobs by name.
    pub jobs: Vec<Job>,
}

/// Parameters of `cron.status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronStatusParams {}

/// Result of `cron.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CronStatusResult {
    /// How many jobs there are.
    pub jobs: u64,
    /// How many of them are enabled.
    pub enabled: u64,
    /// When the first of them is due, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<u64>,
}

/// Parameters of `cron.add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronAddParams {
    /// Its name, which no other job has.
    pub id: JobId,
    /// When it is due.
    pub schedule: Schedule,
    /// The message.
    pub text: String,
    /// The session that the message goes to; without it, one of its own, `agent:{agent}:cron:{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// The agent of its own session; without it, the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What people call it, at most [`limits::LABEL_BYTES`](crate::limits::LABEL_BYTES).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// It is due at all; so where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Of a job that is due once: it goes when its run has ended well; not so where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_run: Option<bool>,
    /// Time for each run, in milliseconds; none for 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Parameters of `cron.update`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronUpdateParams {
    /// The job.
    pub id: JobId,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The session that the message goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// What people call it; an empty text takes that away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// It is due at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Of a job that is due once: it goes when its run has ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_run: Option<bool>,
    /// Time for each run, in milliseconds; none for 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Parameters of `cron.get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronGetParams {
    /// The job.
    pub id: JobId,
}

/// Parameters of `cron.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronRemoveParams {
    /// The job.
    pub id: JobId,
}

/// Result of `cron.remove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronRemoveResult {
    /// It was there.
    pub removed: bool,
}

/// Parameters of `cron.run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronRunParams {
    /// The job.
    pub id: JobId,
}

/// Parameters of `cron.runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronRunsParams {
    /// The job.
    pub id: JobId,
}

/// Result of `cron.runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronRunsResult {
    /// What became of it at its times, the latest first.
    pub runs: Vec<JobRun>,
}
