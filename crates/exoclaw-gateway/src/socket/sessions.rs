//! Changes of sessions: each is on record before it is made.

use exoclaw_protocol::{
    RpcError, SessionCompactParams, SessionCompactResult, SessionDeleteParams, SessionDeleteResult, SessionInfo,
    SessionPatchParams, SessionRef, SessionResetParams,
};
use exoclaw_store::audit::{Decision, What};

use super::{dialect::Caller, requests::guard};
use crate::http::Door;

/// Sets how a session is treated.
pub(crate) async fn patch(door: &Door, caller: &Caller, params: SessionPatchParams) -> Result<SessionInfo, RpcError> {
    let session = params.session.clone();
    recorded(door, caller, "patch", &session, door.runtime.patch_session(params)).await
}

/// Begins a new conversation.
pub(crate) async fn reset(door: &Door, caller: &Caller, params: SessionResetParams) -> Result<SessionInfo, RpcError> {
    let session = params.session.clone();
    recorded(door, caller, "reset", &session, door.runtime.reset_session(params)).await
}

/// Makes a conversation begin later.
pub(crate) async fn compact(
    door: &Door,
    caller: &Caller,
    params: SessionCompactParams,
) -> Result<SessionCompactResult, RpcError> {
    let session = params.session.clone();
    let by = caller.pass.who.name();
    recorded(door, caller, "compact", &session, door.runtime.compact_session_by(by, params)).await
}

/// Leaves nothing behind.
pub(crate) async fn delete(
    door: &Door,
    caller: &Caller,
    params: SessionDeleteParams,
) -> Result<SessionDeleteResult, RpcError> {
    let session = params.session.clone();
    recorded(door, caller, "delete", &session, door.runtime.delete_session(params)).await
}

async fn recorded<T>(
    door: &Door,
    caller: &Caller,
    action: &'static str,
    session: &SessionRef,
    change: impl Future<Output = Result<T, RpcError>>,
) -> Result<T, RpcError> {
    let key = door.runtime.session_key(session)?;
    let entry = caller.entry(What::Session, action, Decision::Allowed).object(key);
    guard(door, entry.clone()).await?;
    change.await.inspect_err(|error| door.runtime.audit().note(entry.failed(error.code)))
}
