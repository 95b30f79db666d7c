//! Methods that look at and change tokens.

use exoclaw_protocol::{
    ErrorCode, RpcError, TokenCreateParams, TokenCreateResult, TokenRevokeParams, TokenRevokeResult, TokenRotateParams,
    TokenRotateResult,
};
use exoclaw_store::{
    TokenError, Tokens,
    audit::{Decision, Entry, What},
};

use super::{dialect::Caller, requests::recorded};
use crate::http::Door;

pub(super) async fn create(
    door: &Door,
    caller: &Caller,
    params: TokenCreateParams,
) -> Result<TokenCreateResult, RpcError> {
    let now_ms = door.runtime.clock().now_ms();
    let entry = caller.entry(What::Token, "create", Decision::Allowed).object(&params.name);
    let entry = entry.reason(format_args!("scope {}", params.scope.as_str()));
    change(door, entry, move |tokens| tokens.create(params, now_ms)).await
}

pub(super) async fn rotate(
    door: &Door,
    caller: &Caller,
    params: TokenRotateParams,
) -> Result<TokenRotateResult, RpcError> {
    let entry = caller.entry(What::Token, "rotate", Decision::Allowed).object(&params.name);
    let entry = entry.reason(params.step.as_str());
    change(door, entry, move |tokens| tokens.rotate(&params)).await
}

pub(super) async fn revoke(
    door: &Door,
    caller: &Caller,
    params: TokenRevokeParams,
) -> Result<TokenRevokeResult, RpcError> {
    let entry = caller.entry(What::Token, "revoke", Decision::Allowed).object(&params.name);
    change(door, entry, move |tokens| tokens.revoke(&params)).await
}

/// Changes tokens, after the record of it.
async fn change<T: Send + 'static>(
    door: &Door,
    entry: Entry,
    change: impl FnOnce(&Tokens) -> Result<T, TokenError> + Send + 'static,
) -> Result<T, RpcError> {
    recorded(door, entry, &door.tokens, change, refusal).await
}

fn refusal(error: &TokenError) -> RpcError {
    let code = match error {
        TokenError::Exists { .. } | TokenError::Rotating { .. } => ErrorCode::Conflict,
        TokenError::Unknown { .. } | TokenError::NotRotating { .. } | TokenError::Reserved => ErrorCode::InvalidParams,
        TokenError::TooMany => ErrorCode::TooLarge,
        error => {
            tracing::error!(%error, "change tokens");
            ErrorCode::Internal
        }
    };
    RpcError::new(code, error.to_string())
}
