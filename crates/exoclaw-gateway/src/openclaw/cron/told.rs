//! What is told of jobs.

use exoclaw_protocol::{Job, JobRun, JobStatus, RunWaitResult, Schedule, openclaw::Version};
use exoclaw_runtime::{JobAction, JobEvent, text_of_time};
use serde_json::{Value, json};

use super::asked::Target;

/// Characters of an answer that a list of runs shows.
const SUMMARY: usize = 2_000;

/// What people call a job.
pub(super) fn name(job: &Job) -> &str {
    job.label.as_deref().unwrap_or(job.id.as_str())
}

/// The kind of session that a job talks in.
pub(super) fn target(job: &Job) -> Target {
    let is_main = job.session.as_str() == format!("agent:{}:main", job.session.agent());
    if is_main { Target::Main } else { Target::Isolated }
}

/// A job.
pub(super) fn job(job: &Job, version: Version) -> Value {
    let (target, payload) = match target(job) {
        Target::Main => ("main", json!({ "kind": "systemEvent", "text": job.text })),
        Target::Isolated => {
            let mut payload = json!({ "kind": "agentTurn", "message": job.text });
            if let Some(timeout_ms) = job.timeout_ms {
                payload["timeoutSeconds"] = json!(timeout_ms.div_ceil(1_000));
            }
            ("isolated", payload)
        }
    };
    let mut told = json!({
        "id": job.id, "agentId": job.session.agent(), "name": name(job), "enabled": job.enabled,
        "createdAtMs": job.created_ms, "updatedAtMs": job.updated_ms, "schedule": schedule(&job.schedule, version),
        "sessionTarget": target, "wakeMode": "now", "payload": payload, "state": state(job),
    });
    if job.delete_after_run {
        told["deleteAfterRun"] = json!(true);
    }
    told
}

fn schedule(schedule: &Schedule, version: Version) -> Value {
    match schedule {
        Schedule::At { at_ms } if version >= Version::V4 => json!({ "kind": "at", "at": text_of_time(*at_ms) }),
        schedule => json!(schedule),
    }
}

fn state(job: &Job) -> Value {
    let mut state = json!({});
    if let Some(next_due_ms) = job.next_due_ms {
        state["nextRunAtMs"] = next_due_ms.into();
    }
    if let Some(problem) = &job.problem {
        state["lastError"] = problem.as_str().into();
    }
    let Some(last) = &job.last else { return state };
    match status(last.status) {
        None => state["runningAtMs"] = last.at_ms.into(),
        Some(status) => {
            state["lastRunAtMs"] = last.at_ms.into();
            state["lastStatus"] = status.into();
        }
    }
    if let Some(failure) = &last.failure {
        state["lastError"] = failure.message.as_str().into();
    }
    state
}

/// How a run ended; none where it has not.
fn status(status: JobStatus) -> Option<&'static str> {
    match status {
        JobStatus::Pending => None,
        JobStatus::Ok => Some("ok"),
        JobStatus::Aborted | JobStatus::Error => Some("error"),
        JobStatus::Missed | JobStatus::Deleted => Some("skipped"),
    }
}

/// What became of a job at one of its times.
pub(super) fn entry(job: &Job, run: &JobRun, waited: Option<&RunWaitResult>, version: Version) -> Value {
    let ended_ms = waited.and_then(|waited| waited.ended_ms).unwrap_or(run.at_ms);
    let mut told = json!({
        "ts": ended_ms, "jobId": job.id, "action": "finished", "runAtMs": run.at_ms,
        "durationMs": ended_ms.saturating_sub(run.at_ms),
    });
    finish(&mut told, run, version);
    if let Some(waited) = waited.filter(|waited| !waited.text.is_empty()) {
        told["summary"] = waited.text.chars().take(SUMMARY).collect::<String>().into();
    }
    if version >= Version::V4 {
        told["jobName"] = name(job).into();
    }
    told
}

fn finish(told: &mut Value, run: &JobRun, version: Version) {
    if let Some(status) = status(run.status) {
        told["status"] = status.into();
    }
    if let Some(failure) = &run.failure {
        told["error"] = failure.message.as_str().into();
    }
    if version >= Version::V4 {
        told["completionStatus"] = if run.status == JobStatus::Ok { "succeeded" } else { "failed" }.into();
        told["deliveryStatus"] = "not-requested".into();
        if let Some(run_id) = &run.run_id {
            told["runId"] = json!(run_id);
        }
    }
}

/// Something that happened to a job.
pub(in super::super) fn event(event: &JobEvent, now_ms: u64, version: Version) -> Value {
    let action = match event.action {
        JobAction::Added => "added",
        JobAction::Updated => "updated",
        JobAction::Removed => "removed",
        JobAction::Started => "started",
        JobAction::Finished => "finished",
    };
    let mut told = json!({ "jobId": event.job.id, "action": action });
    if let Some(next_due_ms) = event.job.next_due_ms.filter(|_| event.action != JobAction::Removed) {
        told["nextRunAtMs"] = next_due_ms.into();
    }
    if version >= Version::V4 {
        told["job"] = job(&event.job, version);
    }
    if let Some(run) = &event.run {
        told["runAtMs"] = run.at_ms.into();
        if event.action == JobAction::Finished {
            told["durationMs"] = now_ms.saturating_sub(run.at_ms).into();
            finish(&mut told, run, version);
        }
    }
    told
}
