//! Answers to JSON-RPC texts: each request goes to the runtime, and its outcome becomes a response.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use exoclaw_protocol::{
    Call, ErrorCode, LoginLinkResult, RpcError, ShownOnce,
    rpc::{Id, Incoming, Request, Response},
};
use exoclaw_store::audit::{Decision, Entry, Unrecorded, What};
use futures::{FutureExt, future::join_all};
use serde_json::value::RawValue;

use super::{
    approvals, devices,
    dialect::{Caller, Done, Follow},
    frames::SENT_MESSAGE_BYTES,
    jobs, sessions, tokens,
};
use crate::{
    LOGIN_CODE_LIFETIME,
    http::Door,
    rates::{DEAR, PLAIN},
};

/// The text may send messages: events of the runs that it starts must wait for the answer.
pub(super) fn sends(incoming: &Incoming) -> bool {
    let sends = |request: &Result<Request, Response>| {
        request
            .as_ref()
            .is_ok_and(|request| request.method == <exoclaw_protocol::ChatSendParams as exoclaw_protocol::Method>::NAME)
    };
    match incoming {
        Incoming::One(request) => sends(request),
        Incoming::Batch(batch) => batch.iter().any(sends),
    }
}

/// What a text costs of its connection's rate: what makes work for disk and models costs more.
pub(super) fn cost(incoming: &Incoming) -> u32 {
    let one = |request: &Result<Request, Response>| match request.as_ref().map(|request| request.method.as_str()) {
        Ok(
            "chat.send" | "cron.add" | "cron.update" | "cron.remove" | "cron.run" | "token.create" | "token.rotate"
            | "token.revoke",
        ) => DEAR,
        Ok(_) | Err(_) => PLAIN,
    };
    match incoming {
        Incoming::One(request) => one(request),
        Incoming::Batch(batch) => batch.iter().map(one).sum(),
    }
}

/// Answers each request of a text with the same refusal.
pub(super) fn refuse(error: &RpcError, incoming: Incoming) -> Done {
    let one = |request: Result<Request, Response>| match request {
        Ok(request) => request.id.map(|id| written(&Response::error(id, error))),
        Err(refusal) => Some(written(&refusal)),
    };
    let text = match incoming {
        Incoming::One(request) => one(request),
        Incoming::Batch(batch) => {
            let texts: Vec<String> = batch.into_iter().filter_map(one).collect();
            (!texts.is_empty()).then(|| format!("[{}]", texts.join(",")))
        }
    };
    Done { text, ..Done::default() }
}

/// Answers one text.
pub(super) async fn answer(door: &Door, caller: &Caller, incoming: Incoming) -> Done {
    let mut done = Done::default();
    match incoming {
        Incoming::One(request) => {
            let (response, follow) = respond(door, caller, request).await;
            done.follow.extend(follow);
            done.text = response.map(|response| text_of(&response));
        }
        Incoming::Batch(batch) => {
            let all = batch.into_iter().map(|request| respond(door, caller, request));
            let mut texts = Vec::new();
            let mut bytes = 2;
            for (response, follow) in join_all(all).await {
                done.follow.extend(follow);
                let Some(response) = response else { continue };
                let mut text = text_of(&response);
                if bytes + text.len() > SENT_MESSAGE_BYTES / 2 {
                    text = written(&too_large(response.id, "the answers of the batch are too large: ask one by one"));
                }
                bytes += text.len() + 1;
                texts.push(text);
            }
            // A batch of notifications only is not answered at all (JSON-RPC 2.0, section 6).
            done.text = (!texts.is_empty()).then(|| format!("[{}]", texts.join(",")));
        }
    }
    done
}

async fn respond(
    door: &Door,
    caller: &Caller,
    request: Result<Request, Response>,
) -> (Option<Response>, Option<Follow>) {
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return (Some(refusal), None),
    };
    let Request { id, method, params } = request;
    let begun = Instant::now();
    let call = AssertUnwindSafe(call(door, caller, &method, params.as_deref())).catch_unwind();
    let outcome = call.await.unwrap_or_else(|_| {
        tracing::error!(method, "a request panicked");
        Err(RpcError::new(ErrorCode::Internal, "the daemon failed on this request; its log says more"))
    });
    door.runtime.metrics().request(&method, outcome.is_ok(), begun.elapsed());
    let (result, follow) = match outcome {
        Ok((result, follow)) => (Ok(result), follow),
        Err(error) => (Err(error), None),
    };
    let response = id.map(|id| match result {
        Ok(result) => Response::result(id, &result),
        Err(error) => Response::error(id, &error),
    });
    (response, follow)
}

type Outcome = Result<(Box<RawValue>, Option<Follow>), RpcError>;

async fn call(door: &Door, caller: &Caller, method: &str, params: Option<&RawValue>) -> Outcome {
    // Before the parameters are looked at, which are none of theirs.
    let needed = Call::METHODS.iter().find(|info| info.name == method).map(|info| info.scope);
    if needed.is_some_and(|needed| !caller.pass.scope.covers(needed)) {
        let entry = caller.entry(What::Method, "call", Decision::Refused).object(method);
        door.runtime.audit().note(entry.reason("outside the credential's scope"));
        return Err(RpcError::new(ErrorCode::Forbidden, format!("this credential does not allow {method}")));
    }
    let runtime = &door.runtime;
    match Call::parse(method, params)? {
        Call::Ping(_) => plain(&runtime.ping()),
        Call::Status(_) => plain(&runtime.status().await?),
        Call::ChatSend(params) => {
            let (result, subscription) = door.send(&caller.pass.who, params).await?;
            Ok((raw(&result)?, Some(Follow { subscription, exact: false })))
        }
        Call::ChatAbort(params) => plain(&runtime.abort(params).await?),
        Call::ChatHistory(params) => plain(&runtime.history(params).await?),
        Call::ChatInject(params) => plain(&door.inject(params).await?),
        Call::RunWait(params) => plain(&runtime.wait(params).await?),
        Call::SessionList(params) => plain(&runtime.sessions(params).await?),
        Call::SessionGet(params) => plain(&runtime.session(params).await?),
        Call::SessionResolve(params) => plain(&runtime.resolve_session(params).await?),
        Call::SessionPreview(params) => plain(&runtime.preview_sessions(params).await?),
        Call::SessionSearch(params) => plain(&runtime.search(params).await?),
        Call::SessionPatch(params) => plain(&sessions::patch(door, caller, params).await?),
        Call::SessionReset(params) => plain(&sessions::reset(door, caller, params).await?),
        Call::SessionCompact(params) => plain(&sessions::compact(door, caller, params).await?),
        Call::SessionDelete(params) => plain(&sessions::delete(door, caller, params).await?),
        Call::SessionSubscribe(params) => {
            let (result, subscription) = runtime.subscribe(params).await?;
            Ok((raw(&result)?, Some(Follow { subscription, exact: true })))
        }
        Call::ApprovalList(params) => plain(&runtime.approvals(&params)?),
        Call::ApprovalResolve(params) => plain(&approvals::resolve(door, caller, params).await?),
        Call::CronStatus(_) => plain(&runtime.cron_status().await?),
        Call::CronList(_) => plain(&runtime.cron_list().await?),
        Call::CronGet(params) => plain(&runtime.cron_get(params).await?),
        Call::CronRuns(params) => plain(&runtime.cron_runs(params).await?),
        Call::CronAdd(params) => plain(&jobs::add(door, caller, params).await?),
        Call::CronUpdate(params) => plain(&jobs::update(door, caller, params).await?),
        Call::CronRemove(params) => plain(&jobs::remove(door, caller, params).await?),
        Call::CronRun(params) => plain(&jobs::run(door, caller, params).await?),
        Call::DeviceList(_) => plain(&door.devices.list(runtime.clock().now_ms())),
        Call::DeviceApprove(params) => plain(&devices::approve(door, caller, params, |_| true).await?),
        Call::DeviceReject(params) => plain(&devices::reject(door, caller, params).await?.0),
        Call::DeviceRemove(params) => plain(&devices::remove(door, caller, params).await?),
        Call::Usage(params) => plain(&runtime.usage(params).await?),
        Call::PluginList(_) => plain(&runtime.plugins()),
        Call::ChannelList(_) => plain(&runtime.channels().await?),
        Call::TokenCreate(params) => plain(&tokens::create(door, caller, params).await?),
        Call::TokenList(_) => plain(&door.tokens.list()),
        Call::TokenRotate(params) => plain(&tokens::rotate(door, caller, params).await?),
        Call::TokenRevoke(params) => plain(&tokens::revoke(door, caller, params).await?),
        Call::LoginLink(_) => {
            guard(door, caller.entry(What::Login, "link", Decision::Allowed)).await?;
            plain(&LoginLinkResult { link: ShownOnce::new(door.links.make()), valid_s: LOGIN_CODE_LIFETIME.as_secs() })
        }
        // The table may grow in a newer protocol than this gateway was built with.
        _ => Err(RpcError::new(ErrorCode::MethodNotFound, format!("{method} is not served here"))),
    }
}

/// Makes a record durable before its effect.
pub(crate) async fn guard(door: &Door, entry: Entry) -> Result<(), RpcError> {
    door.runtime.audit().guard(entry).await.map_err(|error| {
        let code = if error == Unrecorded::Busy { ErrorCode::Busy } else { ErrorCode::StoreReadOnly };
        RpcError::new(code, error.to_string())
    })
}

/// Changes what is kept on disk, on a thread that may wait for it, after the record of the change. A change that has begun is
/// carried out, whoever still listens.
pub(super) async fn recorded<K, T, E>(
    door: &Door,
    entry: Entry,
    kept: &Arc<K>,
    change: impl FnOnce(&K) -> Result<T, E> + Send + 'static,
    refusal: fn(&E) -> RpcError,
) -> Result<T, RpcError>
where
    K: Send + Sync + 'static,
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    guard(door, entry.clone()).await?;
    let kept = Arc::clone(kept);
    match tokio::task::spawn_blocking(move || change(&kept)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            door.runtime.audit().note(entry.failed(&error));
            Err(refusal(&error))
        }
        Err(error) => {
            tracing::error!(%error, "change what is kept of credentials");
            Err(RpcError::new(ErrorCode::Internal, "the daemon failed on this request; its log says more"))
        }
    }
}

fn plain(result: &impl serde::Serialize) -> Outcome {
    Ok((raw(result)?, None))
}

fn raw(result: &impl serde::Serialize) -> Result<Box<RawValue>, RpcError> {
    serde_json::value::to_raw_value(result)
        .map_err(|error| RpcError::new(ErrorCode::Internal, format!("write the result: {error}")))
}

fn text_of(response: &Response) -> String {
    let text = written(response);
    if text.len() <= SENT_MESSAGE_BYTES {
        return text;
    }
    written(&too_large(response.id.clone(), "the answer is too large: ask for less of it"))
}

fn too_large(id: Id, message: &str) -> Response {
    Response::error(id, &RpcError::new(ErrorCode::TooLarge, message))
}

/// Writing a response can't fail: all of its parts are JSON already.
pub(super) fn written(response: &Response) -> String {
    serde_json::to_string(response).unwrap_or_default()
}
