//! Devices: programs that prove with a key of their own who they are.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Scope, TokenName, openclaw::OperatorScope};

/// What a device says of itself; nothing of it is proved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceLook {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it runs.
    pub platform: String,
    /// The program.
    pub client: String,
    /// The kind of program.
    pub mode: String,
}

/// A device that is let in; nothing of its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// Its name, which its key proves.
    pub id: DeviceId,
    /// What it says of itself.
    pub look: DeviceLook,
    /// What it may do.
    pub scopes: Vec<OperatorScope>,
    /// Who let it in: the token that it showed, or who approved it.
    pub by: TokenName,
    /// Somebody approved it: it did not come with a token.
    pub approved: bool,
    /// It has a token of its own, which works as long as that of [`by`](Self::by) where it was not approved.
    pub has_token: bool,
    /// When it was let in, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it showed its token last, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_ms: Option<u64>,
}

/// A device that waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRequest {
    /// Names the wait.
    pub request_id: String,
    /// The device, which its key proves.
    pub device: DeviceId,
    /// Its public key, as it sent it.
    pub public_key: String,
    /// What it says of itself.
    pub look: DeviceLook,
    /// What it wants to do.
    pub scopes: Vec<OperatorScope>,
    /// The address that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// It was let in before, and has no token that works.
    pub again: bool,
    /// When it asked last, in milliseconds since 1970.
    pub asked_ms: u64,
    /// When the wait is over, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// Parameters of `device.list`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceListParams {}

/// Result of `device.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceListResult {
    /// Those that wait, the latest last.
    pub waiting: Vec<DeviceRequest>,
    /// Those that are let in, by id.
    pub devices: Vec<DeviceInfo>,
}

/// Parameters of `device.approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceApproveParams {
    /// The wait.
    pub request_id: String,
    /// It may do no more than this, whatever it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// Parameters of `device.reject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRejectParams {
    /// The wait.
    pub request_id: String,
}

/// Result of `device.reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRejectResult {
    /// It waited.
    pub rejected: bool,
}

/// Parameters of `device.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRemoveParams {
    /// The device.
    pub id: DeviceId,
}

/// Result of `device.remove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRemoveResult {
    /// It was there.
    pub removed: bool,
}
