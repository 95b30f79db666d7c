//! Methods that look at and change tokens.

use std::sync::Arc;

use exoclaw_protocol::{
    ErrorCode, RpcError, TokenCreateParams, TokenCreateResult, TokenRevokeParams, TokenRevokeResult, TokenRotateParams,
    TokenRotateResult,
};
use exoclaw_store::{TokenError, Tokens};

use crate::http::Door;

pub(super) async fn create(door: &Door, params: TokenCreateParams) -> Result<TokenCreateResult, RpcError> {
    let now_ms = door.runtime.clock().now_ms();
    change(door, move |tokens| tokens.create(params, now_ms)).await
}

pub(super) async fn rotate(door: &Door, params: TokenRotateParams) -> Result<TokenRotateResult, RpcError> {
    change(door, move |tokens| tokens.rotate(&params)).await
}

pub(super) async fn revoke(door: &Door, params: TokenRevokeParams) -> Result<TokenRevokeResult, RpcError> {
    change(door, move |tokens| tokens.revoke(&params)).await
}

/// Changes tokens on a thread that may wait for the disk. A change that has begun is carried out, whoever still listens.
async fn change<T: Send + 'static>(
    door: &Door,
    change: impl FnOnce(&Tokens) -> Result<T, TokenError> + Send + 'static,
) -> Result<T, RpcError> {
    let tokens = Arc::clone(&door.tokens);
    match tokio::task::spawn_blocking(move || change(&tokens)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(error) => {
            tracing::error!(%error, "change tokens");
            Err(RpcError::new(ErrorCode::Internal, "the daemon failed on this request; its log says more"))
        }
    }
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
