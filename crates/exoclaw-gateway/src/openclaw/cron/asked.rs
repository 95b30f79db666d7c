//! What is asked of jobs.

use exoclaw_protocol::{AgentId, Job, JobId, Schedule, SessionKey, SessionRef, openclaw::ErrorShape};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::told;

/// Which job is meant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Of {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) job_id: Option<String>,
}

/// The job that is named one way or the other.
pub(super) fn named(id: Option<&String>, job_id: Option<&String>, method: &str) -> Result<JobId, ErrorShape> {
    let id = id.or(job_id).ok_or_else(|| ErrorShape::invalid_params(method, "missing id"))?;
    id.parse().map_err(|error| ErrorShape::invalid_params(method, &format!("at /id: {error}")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct List {
    #[serde(default)]
    include_disabled: bool,
    #[serde(default)]
    enabled: Option<Which>,
    #[serde(default)]
    schedule_kind: ScheduleKind,
    #[serde(default)]
    query: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) offset: Option<usize>,
    #[serde(default)]
    pub(super) sort_by: SortBy,
    #[serde(default)]
    pub(super) sort_dir: Option<Direction>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    All,
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScheduleKind {
    #[default]
    All,
    At,
    Every,
    Cron,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SortBy {
    #[default]
    NextRunAtMs,
    UpdatedAtMs,
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Asc,
    Desc,
}

impl List {
    pub(super) fn wants(&self, job: &Job) -> bool {
        let enabled = match self.enabled {
            Some(Which::All) => true,
            Some(Which::Enabled) => job.enabled,
            Some(Which::Disabled) => !job.enabled,
            None => job.enabled || self.include_disabled,
        };
        let kind = match self.schedule_kind {
            ScheduleKind::All => true,
            ScheduleKind::At => matches!(job.schedule, Schedule::At { .. }),
            ScheduleKind::Every => matches!(job.schedule, Schedule::Every { .. }),
            ScheduleKind::Cron => matches!(job.schedule, Schedule::Cron { .. }),
        };
        let query = self.query.to_lowercase();
        let found = [told::name(job), job.text.as_str()].iter().any(|text| text.to_lowercase().contains(&query));
        enabled && kind && found && self.agent_id.as_deref().is_none_or(|agent| agent == job.session.agent())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Runs {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) job_id: Option<String>,
    #[serde(default)]
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) sort_dir: Option<Direction>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Run {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) job_id: Option<String>,
    #[serde(default)]
    pub(super) mode: Option<Mode>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    Due,
    Force,
    IfEnabled,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Add {
    pub(super) name: String,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) delete_after_run: Option<bool>,
    pub(super) schedule: When,
    pub(super) session_target: Target,
    pub(super) payload: Payload,
    #[serde(default)]
    pub(super) delivery: Option<Delivery>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Update {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) job_id: Option<String>,
    pub(super) patch: Patch,
}

/// What changes; the rest stays.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Patch {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Null is the default agent.
    #[serde(default, deserialize_with = "present")]
    pub(super) agent_id: Option<Option<String>>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) delete_after_run: Option<bool>,
    #[serde(default)]
    pub(super) schedule: Option<When>,
    #[serde(default)]
    pub(super) session_target: Option<Target>,
    #[serde(default, rename = "wakeMode")]
    _wake_mode: Option<Wake>,
    #[serde(default)]
    pub(super) payload: Option<Payload>,
    #[serde(default)]
    pub(super) delivery: Option<Delivery>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A job is seen to at once, whichever it asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wake {
    NextHeartbeat,
    Now,
}

/// When a job is due. Version 3 writes a time as milliseconds, version 4 as a text.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum When {
    At {
        #[serde(default)]
        at_ms: Option<u64>,
        #[serde(default)]
        at: Option<String>,
    },
    Every {
        every_ms: u64,
        #[serde(default)]
        anchor_ms: Option<u64>,
    },
    Cron {
        expr: String,
        #[serde(default)]
        tz: Option<String>,
    },
}

impl When {
    pub(super) fn ours(self) -> Result<Schedule, &'static str> {
        match self {
            Self::At { at_ms: Some(at_ms), .. } => Ok(Schedule::At { at_ms }),
            Self::At { at_ms: None, at } => {
                let at_ms = at.as_deref().and_then(exoclaw_runtime::time_of_text);
                at_ms
                    .map(|at_ms| Schedule::At { at_ms })
                    .ok_or("at /schedule/at: must be a time such as 2027-01-31T07:00:00Z")
            }
            Self::Every { every_ms, anchor_ms } => Ok(Schedule::Every { every_ms, anchor_ms }),
            Self::Cron { expr, tz } => Ok(Schedule::Cron { expr, tz }),
        }
    }
}

/// Whose conversation a job talks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Target {
    /// The agent's main one.
    Main,
    /// One of its own.
    Isolated,
}

impl Target {
    /// The session, or the agent in whose name one is made.
    pub(super) fn of(self, agent: &str) -> Result<(Option<SessionRef>, Option<AgentId>), String> {
        let agent: AgentId = agent.parse().map_err(|error| format!("at /agentId: {error}"))?;
        match self {
            Self::Main => Ok((Some(key(&agent, &["main"])?), None)),
            Self::Isolated => Ok((None, Some(agent))),
        }
    }

    /// The session of a job that is there.
    pub(super) fn session(self, agent: &str, id: &JobId) -> Result<SessionRef, String> {
        let agent: AgentId = agent.parse().map_err(|error| format!("at /agentId: {error}"))?;
        match self {
            Self::Main => key(&agent, &["main"]),
            Self::Isolated => key(&agent, &["cron", id.as_str()]),
        }
    }
}

fn key(agent: &AgentId, rest: &[&str]) -> Result<SessionRef, String> {
    SessionKey::new(agent, rest.iter().copied()).map(SessionRef::Key).map_err(|error| error.to_string())
}

/// What a job says. What would restrict or redirect its run and is not known here is refused by name.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum Payload {
    SystemEvent {
        #[serde(default)]
        text: Option<String>,
    },
    AgentTurn {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        timeout_seconds: Option<f64>,
        #[serde(default)]
        deliver: Option<bool>,
    },
}

impl Payload {
    /// The message and the time for its runs, of a job in that kind of session.
    pub(super) fn checked(self, target: Target) -> Result<(String, Option<u64>), &'static str> {
        let (text, timeout_ms) = self.changed(target)?;
        Ok((text.ok_or("at /payload: must have required property 'text' or 'message'")?, timeout_ms))
    }

    /// The same, of what is changed.
    pub(super) fn changed(self, target: Target) -> Result<(Option<String>, Option<u64>), &'static str> {
        match (self, target) {
            (Self::SystemEvent { text }, Target::Main) => Ok((text, None)),
            (Self::AgentTurn { deliver: Some(true), .. }, _) => Err(NO_DELIVERY),
            (Self::AgentTurn { message, timeout_seconds, .. }, Target::Isolated) => {
                Ok((message, timeout_seconds.map(|seconds| (seconds.max(0.0) * 1_000.0) as u64)))
            }
            (Self::AgentTurn { .. }, Target::Main) => Err("main cron jobs require payload.kind=\"systemEvent\""),
            (Self::SystemEvent { .. }, Target::Isolated) => {
                Err("isolated cron jobs require payload.kind=\"agentTurn\"")
            }
        }
    }
}

const NO_DELIVERY: &str = "answers of jobs stay in their session: want delivery.mode \"none\"";

/// Where the answer goes: nowhere else.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    #[serde(default)]
    mode: Option<Value>,
}

impl Delivery {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.mode.as_ref().is_none_or(|mode| mode == "none") { Ok(()) } else { Err(NO_DELIVERY) }
    }
}
