//! Methods that look at devices, let them in and end them, each change after the record of who did.

use std::sync::Arc;

use exoclaw_protocol::{
    DeviceApproveParams, DeviceId, DeviceInfo, DeviceRejectParams, DeviceRejectResult, DeviceRemoveParams,
    DeviceRemoveResult, DeviceRequest, ErrorCode, RpcError, Scope, ShownOnce, TokenName, openclaw::OperatorScope,
};
use exoclaw_store::{
    DeviceError, Devices, OWNER,
    audit::{Decision, Entry, What},
};

use super::{
    dialect::Caller,
    requests::{guard, recorded},
};
use crate::http::Door;

/// What happened to a device that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// It asks to be let in.
    Requested(DeviceRequest),
    /// It was answered.
    Resolved { request: DeviceRequest, approved: bool },
}

/// Lets in a device that waits, for no more than `scope` and what `own` allows whoever asks.
pub(crate) async fn approve(
    door: &Door,
    caller: &Caller,
    params: DeviceApproveParams,
    own: impl Fn(OperatorScope) -> bool + Send + 'static,
) -> Result<DeviceInfo, RpcError> {
    let DeviceApproveParams { request_id, scope } = params;
    let allowed = move |wanted: OperatorScope| scope.is_none_or(|scope| scope.covers(wanted.needs())) && own(wanted);
    let entry = caller.entry(What::Device, "approve", Decision::Allowed).object(named(door, &request_id));
    let entry = entry.reason(scope.map_or("what it asked for", Scope::as_str));
    let by = by(caller)?;
    let now_ms = door.runtime.clock().now_ms();
    let change = move |devices: &Devices| devices.approve(&request_id, allowed, by, now_ms);
    let (request, info) = self::change(door, entry, change).await?;
    door.device_events.send(Arc::new(DeviceEvent::Resolved { request, approved: true })).ok();
    Ok(info)
}

pub(crate) async fn reject(
    door: &Door,
    caller: &Caller,
    params: DeviceRejectParams,
) -> Result<(DeviceRejectResult, Option<DeviceId>), RpcError> {
    let DeviceRejectParams { request_id } = params;
    let entry = caller.entry(What::Device, "reject", Decision::Refused).object(named(door, &request_id));
    guard(door, entry).await?;
    let Some(request) = door.devices.reject(&request_id, door.runtime.clock().now_ms()) else {
        return Ok((DeviceRejectResult { rejected: false }, None));
    };
    let device = request.device.clone();
    door.device_events.send(Arc::new(DeviceEvent::Resolved { request, approved: false })).ok();
    Ok((DeviceRejectResult { rejected: true }, Some(device)))
}

pub(crate) async fn remove(
    door: &Door,
    caller: &Caller,
    params: DeviceRemoveParams,
) -> Result<DeviceRemoveResult, RpcError> {
    let DeviceRemoveParams { id } = params;
    let entry = caller.entry(What::Device, "remove", Decision::Allowed).object(&id);
    let removed = change(door, entry, move |devices| devices.remove(&id)).await?;
    Ok(DeviceRemoveResult { removed })
}

pub(crate) async fn rename(door: &Door, caller: &Caller, id: DeviceId, name: String) -> Result<DeviceInfo, RpcError> {
    let entry = caller.entry(What::Device, "rename", Decision::Allowed).object(&id);
    change(door, entry, move |devices| devices.rename(&id, &name)).await
}

pub(crate) async fn rotate(door: &Door, caller: &Caller, id: DeviceId) -> Result<(ShownOnce, DeviceInfo), RpcError> {
    let entry = caller.entry(What::Device, "rotate", Decision::Allowed).object(&id);
    change(door, entry, move |devices| devices.rotate(&id)).await
}

pub(crate) async fn revoke(door: &Door, caller: &Caller, id: DeviceId) -> Result<DeviceInfo, RpcError> {
    let entry = caller.entry(What::Device, "revoke", Decision::Allowed).object(&id);
    change(door, entry, move |devices| devices.revoke(&id)).await
}

/// Changes devices, after the record of it.
pub(crate) async fn change<T: Send + 'static>(
    door: &Door,
    entry: Entry,
    change: impl FnOnce(&Devices) -> Result<T, DeviceError> + Send + 'static,
) -> Result<T, RpcError> {
    recorded(door, entry, &door.devices, change, refusal).await
}

/// The device that waits under an id, for the audit.
fn named(door: &Door, request_id: &str) -> String {
    let waiting = door.devices.list(door.runtime.clock().now_ms()).waiting;
    let found = waiting.into_iter().find(|waiting| waiting.request_id == request_id);
    found.map_or_else(|| "nobody".to_owned(), |waiting| waiting.device.to_string())
}

fn by(caller: &Caller) -> Result<TokenName, RpcError> {
    let own = || OWNER.parse().map_err(|_| RpcError::new(ErrorCode::Internal, "whoever asks has no name"));
    caller.pass.who.name().map_or_else(own, Ok)
}

fn refusal(error: &DeviceError) -> RpcError {
    let code = match error {
        DeviceError::Unknown | DeviceError::NotWaiting => ErrorCode::UnknownDevice,
        DeviceError::NothingAllowed => ErrorCode::Forbidden,
        DeviceError::TooMany => ErrorCode::TooLarge,
        error => {
            tracing::error!(%error, "change devices");
            ErrorCode::Internal
        }
    };
    RpcError::new(code, error.to_string())
}
