//! Devices, in the protocol's words.

use exoclaw_protocol::{
    DeviceApproveParams, DeviceId, DeviceInfo, DeviceRejectParams, DeviceRemoveParams, DeviceRequest, ErrorCode,
    RpcError,
    openclaw::{Code, ErrorShape, OperatorScope},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::Line,
};
use crate::{
    auth::Who,
    http::Door,
    socket::{devices, dialect::Caller},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waits {
    request_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Of {
    device_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Name {
    device_id: String,
    label: String,
}

pub(super) fn list(door: &Door) -> Reply {
    let listed = door.devices.list(door.runtime.clock().now_ms());
    let (pending, paired): (Vec<_>, Vec<_>) =
        (listed.waiting.iter().map(waiting).collect(), listed.devices.iter().map(device).collect());
    json!({ "pending": pending, "paired": paired }).into()
}

/// Lets a device in. Nobody gives away more than their connection may do.
pub(super) async fn approve(door: &Door, caller: &Caller, line: &Line, asked: Waits) -> Result<Reply, ErrorShape> {
    let own = line.scopes.clone();
    let may = move |wanted: OperatorScope| own.iter().any(|held| held.covers(wanted));
    let params = DeviceApproveParams { request_id: asked.request_id.clone(), scope: None };
    let info = devices::approve(door, caller, params, may).await.map_err(|error| refusal(&error, line))?;
    Ok(json!({ "requestId": asked.request_id, "device": device(&info) }).into())
}

pub(super) async fn reject(door: &Door, caller: &Caller, line: &Line, asked: Waits) -> Result<Reply, ErrorShape> {
    let params = DeviceRejectParams { request_id: asked.request_id.clone() };
    let (_, device) = devices::reject(door, caller, params).await.map_err(|error| refusal(&error, line))?;
    let device = device.ok_or_else(|| ErrorShape::new(Code::InvalidRequest, "unknown requestId"))?;
    Ok(json!({ "requestId": asked.request_id, "deviceId": device }).into())
}

pub(super) async fn remove(door: &Door, caller: &Caller, line: &Line, asked: Of) -> Result<Reply, ErrorShape> {
    let id = within(door, line, &asked)?;
    let params = DeviceRemoveParams { id: id.clone() };
    let result = devices::remove(door, caller, params).await.map_err(|error| refusal(&error, line))?;
    if result.removed { Ok(json!({ "deviceId": id }).into()) } else { Err(unknown()) }
}

pub(super) async fn rename(door: &Door, caller: &Caller, line: &Line, asked: Name) -> Result<Reply, ErrorShape> {
    let Name { device_id, label } = asked;
    let id = within(door, line, &Of { device_id })?;
    let info = devices::rename(door, caller, id, label).await.map_err(|error| refusal(&error, line))?;
    Ok(json!({ "deviceId": info.id, "label": info.look.name }).into())
}

pub(super) async fn rotate(door: &Door, caller: &Caller, line: &Line, asked: Of) -> Result<Reply, ErrorShape> {
    let id = within(door, line, &asked)?;
    // The connection ends with the old token, and the new one would be lost with it.
    if matches!(&caller.pass.who, Who::Device(own, _) if *own == id) {
        let text = "a device can't rotate the token with which it is connected: do it from another one";
        return Err(ErrorShape::new(Code::InvalidRequest, text));
    }
    let (token, info) = devices::rotate(door, caller, id).await.map_err(|error| refusal(&error, line))?;
    let told = json!({
        "deviceId": info.id, "role": "operator", "scopes": info.scopes, "token": token, "tokenDelivery": "in-band",
        "rotatedAtMs": door.runtime.clock().now_ms(),
    });
    Ok(told.into())
}

pub(super) async fn revoke(door: &Door, caller: &Caller, line: &Line, asked: Of) -> Result<Reply, ErrorShape> {
    let id = within(door, line, &asked)?;
    let info = devices::revoke(door, caller, id).await.map_err(|error| refusal(&error, line))?;
    let told = json!({ "deviceId": info.id, "role": "operator", "revokedAtMs": door.runtime.clock().now_ms() });
    Ok(told.into())
}

/// A device that may do no more than the connection which wants to change it.
fn within(door: &Door, line: &Line, asked: &Of) -> Result<DeviceId, ErrorShape> {
    let id: DeviceId = asked.device_id.parse().map_err(|_| unknown())?;
    let paired = door.devices.known(&id).ok_or_else(unknown)?;
    match paired.scopes.iter().find(|scope| !line.may(**scope)) {
        Some(beyond) => Err(ErrorShape::missing_scope(beyond.as_str(), line.version)),
        None => Ok(id),
    }
}

fn unknown() -> ErrorShape {
    ErrorShape::new(Code::InvalidRequest, "unknown deviceId")
}

fn refusal(error: &RpcError, line: &Line) -> ErrorShape {
    match error.code {
        ErrorCode::UnknownDevice => ErrorShape::new(Code::InvalidRequest, "unknown requestId"),
        _ => error_of(error, line.version),
    }
}

/// A device that waits.
pub(super) fn waiting(request: &DeviceRequest) -> Value {
    let mut told = json!({
        "requestId": request.request_id, "deviceId": request.device, "publicKey": request.public_key,
        "platform": request.look.platform, "clientId": request.look.client, "clientMode": request.look.mode,
        "role": "operator", "roles": ["operator"], "scopes": request.scopes, "silent": false,
        "isRepair": request.again, "ts": request.asked_ms,
    });
    for (name, value) in [("displayName", &request.look.name), ("remoteIp", &request.from)] {
        if let Some(value) = value {
            told[name] = value.as_str().into();
        }
    }
    told
}

/// A device that is let in.
fn device(info: &DeviceInfo) -> Value {
    let mut token = json!({ "role": "operator", "scopes": info.scopes, "createdAtMs": info.created_ms });
    if let Some(last_used_ms) = info.last_used_ms {
        token["lastUsedAtMs"] = last_used_ms.into();
    }
    let tokens = if info.has_token { vec![token] } else { Vec::new() };
    let mut told = json!({
        "deviceId": info.id, "platform": info.look.platform, "clientId": info.look.client,
        "clientMode": info.look.mode, "role": "operator", "roles": ["operator"], "scopes": info.scopes,
        "createdAtMs": info.created_ms, "approvedAtMs": info.created_ms, "tokens": tokens,
    });
    if let Some(name) = &info.look.name {
        told["displayName"] = name.as_str().into();
    }
    told
}
