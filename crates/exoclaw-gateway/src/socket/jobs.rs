//! Methods that change jobs, each after the record of who did.

use std::future::Future;

use exoclaw_protocol::{
    CronAddParams, CronRemoveParams, CronRemoveResult, CronRunParams, CronUpdateParams, Job, JobRun, RpcError,
};
use exoclaw_store::audit::{Decision, Entry, What};

use super::{dialect::Caller, requests::guard};
use crate::http::Door;

pub(crate) async fn add(door: &Door, caller: &Caller, params: CronAddParams) -> Result<Job, RpcError> {
    let entry = caller.entry(What::Job, "add", Decision::Allowed).object(&params.id).digest_of(params.text.as_bytes());
    change(door, entry, door.runtime.cron_add(caller.pass.who.name(), params)).await
}

pub(crate) async fn update(door: &Door, caller: &Caller, params: CronUpdateParams) -> Result<Job, RpcError> {
    let entry = caller.entry(What::Job, "update", Decision::Allowed).object(&params.id);
    let entry = match &params.text {
        Some(text) => entry.digest_of(text.as_bytes()),
        None => entry,
    };
    change(door, entry, door.runtime.cron_update(params)).await
}

pub(crate) async fn remove(
    door: &Door,
    caller: &Caller,
    params: CronRemoveParams,
) -> Result<CronRemoveResult, RpcError> {
    let entry = caller.entry(What::Job, "remove", Decision::Allowed).object(&params.id);
    change(door, entry, door.runtime.cron_remove(params)).await
}

pub(crate) async fn run(door: &Door, caller: &Caller, params: CronRunParams) -> Result<JobRun, RpcError> {
    let entry = caller.entry(What::Job, "run", Decision::Allowed).object(&params.id);
    change(door, entry, door.runtime.cron_run(params)).await
}

async fn change<T>(
    door: &Door,
    entry: Entry,
    change: impl Future<Output = Result<T, RpcError>>,
) -> Result<T, RpcError> {
    guard(door, entry.clone()).await?;
    let changed = change.await;
    if let Err(error) = &changed {
        door.runtime.audit().note(entry.failed(error.code));
    }
    changed
}
