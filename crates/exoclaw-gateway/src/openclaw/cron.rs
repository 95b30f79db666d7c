//! Jobs of the scheduler, in the protocol's words.

mod asked;
mod told;

use exoclaw_protocol::{
    CronAddParams, CronGetParams, CronRemoveParams, CronRunParams, CronRunsParams, CronUpdateParams, ErrorCode, Job,
    JobId, JobStatus, RpcError, RunWaitParams,
    openclaw::{Code, ErrorShape, Version},
};
use serde_json::{Value, json};

pub(super) use self::asked::{Add, List, Of, Run, Runs, Update};
use self::asked::{Direction, Mode, SortBy, named};
pub(super) use self::told::event;
use self::told::{entry, job};
use super::{
    answers::{Reply, error_of},
    line::Line,
    lists,
};
use crate::{
    http::Door,
    socket::{dialect::Caller, jobs},
};

/// Jobs or runs of one answer where nobody says how many.
const PAGE: usize = 50;

pub(super) async fn list(door: &Door, line: &Line, asked: List) -> Result<Reply, ErrorShape> {
    let listed = door.runtime.cron_list().await.map_err(|error| error_of(&error, line.version))?;
    let mut jobs: Vec<Job> = listed.jobs.into_iter().filter(|job| asked.wants(job)).collect();
    match asked.sort_by {
        SortBy::NextRunAtMs => jobs.sort_by_key(|job| job.next_due_ms.unwrap_or(u64::MAX)),
        SortBy::UpdatedAtMs => jobs.sort_by_key(|job| job.updated_ms),
        SortBy::Name => jobs.sort_by(|a, b| told::name(a).cmp(told::name(b))),
    }
    if asked.sort_dir == Some(Direction::Desc) {
        jobs.reverse();
    }
    let told: Vec<Value> = jobs.iter().map(|one| job(one, line.version)).collect();
    Ok(page("jobs", told, asked.offset.unwrap_or(0), asked.limit, line.version).into())
}

pub(super) async fn get(door: &Door, line: &Line, asked: Of) -> Result<Reply, ErrorShape> {
    let id = named(asked.id.as_ref(), asked.job_id.as_ref(), "cron.get")?;
    Ok(job(&present(door, line, &id).await?, line.version).into())
}

pub(super) async fn status(door: &Door, line: &Line) -> Result<Reply, ErrorShape> {
    let status = door.runtime.cron_status().await.map_err(|error| error_of(&error, line.version))?;
    // Where the jobs lie is no client's business.
    let told = json!({ "enabled": true, "storePath": "", "jobs": status.jobs, "nextWakeAtMs": status.next_due_ms });
    Ok(told.into())
}

pub(super) async fn runs(door: &Door, line: &Line, asked: Runs) -> Result<Reply, ErrorShape> {
    let id = named(asked.id.as_ref(), asked.job_id.as_ref(), "cron.runs")?;
    let refused = |error: RpcError| refusal(&error, &id, line.version);
    let job = present(door, line, &id).await?;
    let result = door.runtime.cron_runs(CronRunsParams { id: id.clone() }).await.map_err(refused)?;
    let mut ended: Vec<_> = result.runs.into_iter().filter(|run| run.status != JobStatus::Pending).collect();
    let total = ended.len();
    ended.truncate(asked.limit.unwrap_or(PAGE));
    let mut entries = Vec::with_capacity(ended.len());
    for run in ended {
        let waited = match &run.run_id {
            Some(run_id) => {
                let params = RunWaitParams { run_id: run_id.clone(), timeout_ms: Some(0) };
                door.runtime.wait(params).await.ok()
            }
            None => None,
        };
        entries.push(entry(&job, &run, waited.as_ref(), line.version));
    }
    // Version 3 tells them as they were, version 4 the latest first.
    let latest_first = asked.sort_dir.map_or(line.version >= Version::V4, |direction| direction == Direction::Desc);
    if !latest_first {
        entries.reverse();
    }
    let mut told = json!({ "entries": entries });
    if line.version >= Version::V4 {
        let has_more = total > entries.len();
        told = json!({
            "entries": entries, "total": total, "offset": 0, "limit": asked.limit.unwrap_or(PAGE), "hasMore": has_more,
            "nextOffset": has_more.then_some(entries.len()),
        });
    }
    Ok(told.into())
}

pub(super) async fn add(door: &Door, caller: &Caller, line: &Line, asked: Add) -> Result<Reply, ErrorShape> {
    let Add { name, agent_id, enabled, delete_after_run, schedule, session_target, payload, delivery, .. } = asked;
    let invalid = |reason: &str| ErrorShape::invalid_params("cron.add", reason);
    delivery.iter().try_for_each(asked::Delivery::check).map_err(invalid)?;
    let (text, timeout_ms) = payload.checked(session_target).map_err(invalid)?;
    let agent = agent_id.as_deref().unwrap_or_else(|| lists::default_agent(door));
    let (session, agent) = session_target.of(agent).map_err(|reason| invalid(&reason))?;
    let id: JobId = crate::auth::random_text().parse().map_err(|_| invalid("no id"))?;
    let params = CronAddParams {
        id: id.clone(),
        schedule: schedule.ours().map_err(invalid)?,
        text,
        session,
        agent,
        label: Some(name),
        enabled,
        delete_after_run,
        timeout_ms,
    };
    let added = jobs::add(door, caller, params).await.map_err(|error| refusal(&error, &id, line.version))?;
    Ok(job(&added, line.version).into())
}

pub(super) async fn update(door: &Door, caller: &Caller, line: &Line, asked: Update) -> Result<Reply, ErrorShape> {
    let id = named(asked.id.as_ref(), asked.job_id.as_ref(), "cron.update")?;
    let invalid = |reason: &str| ErrorShape::invalid_params("cron.update", reason);
    let patch = asked.patch;
    let refused = |error: RpcError| refusal(&error, &id, line.version);
    let present = present(door, line, &id).await?;
    patch.delivery.iter().try_for_each(asked::Delivery::check).map_err(invalid)?;
    let target = patch.session_target.unwrap_or_else(|| told::target(&present));
    let (text, timeout_ms) = match patch.payload {
        Some(payload) => payload.changed(target).map_err(invalid)?,
        None => (None, None),
    };
    let moves = patch.session_target.is_some() || patch.agent_id.is_some();
    let session = if moves {
        let agent = match &patch.agent_id {
            Some(agent) => agent.as_deref().unwrap_or_else(|| lists::default_agent(door)),
            None => present.session.agent(),
        };
        Some(target.session(agent, &id).map_err(|reason| invalid(&reason))?)
    } else {
        None
    };
    let schedule = patch.schedule.map(asked::When::ours).transpose().map_err(invalid)?;
    let params = CronUpdateParams {
        id: id.clone(),
        schedule,
        text,
        session,
        label: patch.name,
        enabled: patch.enabled,
        delete_after_run: patch.delete_after_run,
        timeout_ms,
    };
    let changed = jobs::update(door, caller, params).await.map_err(refused)?;
    Ok(job(&changed, line.version).into())
}

pub(super) async fn remove(door: &Door, caller: &Caller, line: &Line, asked: Of) -> Result<Reply, ErrorShape> {
    let id = named(asked.id.as_ref(), asked.job_id.as_ref(), "cron.remove")?;
    let params = CronRemoveParams { id: id.clone() };
    let result = jobs::remove(door, caller, params).await.map_err(|error| refusal(&error, &id, line.version))?;
    Ok(json!({ "ok": true, "removed": result.removed }).into())
}

pub(super) async fn run(door: &Door, caller: &Caller, line: &Line, asked: Run) -> Result<Reply, ErrorShape> {
    let id = named(asked.id.as_ref(), asked.job_id.as_ref(), "cron.run")?;
    let refused = |error: RpcError| refusal(&error, &id, line.version);
    let present = present(door, line, &id).await?;
    let reason = match asked.mode.unwrap_or(Mode::Force) {
        // What is due runs by itself.
        Mode::Due => Some("not-due"),
        Mode::IfEnabled if !present.enabled => Some("disabled"),
        Mode::Force | Mode::IfEnabled => None,
    };
    if let Some(reason) = reason {
        return Ok(json!({ "ok": true, "ran": false, "reason": reason }).into());
    }
    let run = jobs::run(door, caller, CronRunParams { id: id.clone() }).await.map_err(refused)?;
    match (run.run_id, run.failure) {
        (Some(_), _) if line.version < Version::V4 => Ok(json!({ "ok": true, "ran": true }).into()),
        (Some(run_id), _) => Ok(json!({ "ok": true, "enqueued": true, "runId": run_id }).into()),
        (None, failure) => {
            let message = failure.map_or_else(|| "the job did not run".to_owned(), |failure| failure.message);
            Err(ErrorShape::new(Code::Unavailable, message))
        }
    }
}

/// The job with this name.
async fn present(door: &Door, line: &Line, id: &JobId) -> Result<Job, ErrorShape> {
    let found = door.runtime.cron_get(CronGetParams { id: id.clone() }).await;
    found.map_err(|error| refusal(&error, id, line.version))
}

/// A part of a list; version 3 gets all of it.
fn page(name: &str, all: Vec<Value>, offset: usize, limit: Option<usize>, version: Version) -> Value {
    if version < Version::V4 {
        return json!({ name: all });
    }
    let (total, limit) = (all.len(), limit.unwrap_or(PAGE));
    let part: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
    let end = offset + part.len();
    let has_more = end < total;
    json!({
        name: part, "total": total, "offset": offset, "limit": limit, "hasMore": has_more,
        "nextOffset": has_more.then_some(end),
    })
}

fn refusal(error: &RpcError, id: &JobId, version: Version) -> ErrorShape {
    match error.code {
        ErrorCode::UnknownJob => unknown(id, version),
        _ => error_of(error, version),
    }
}

fn unknown(id: &JobId, version: Version) -> ErrorShape {
    let details = (version >= Version::V4).then(|| json!({ "code": "CRON_JOB_NOT_FOUND" }));
    ErrorShape { details, ..ErrorShape::new(Code::InvalidRequest, format!("unknown cron job id: {id}")) }
}
