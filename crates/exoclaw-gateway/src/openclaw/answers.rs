//! Answers to requests: each goes to the runtime, and its outcome becomes a response in the protocol's words.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use exoclaw_protocol::{
    ErrorCode, RpcError,
    openclaw::{Code, Decoded, ErrorShape, Method, Request, Response, Version},
};
use exoclaw_store::audit::{Decision, What};
use futures::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    approvals, changes, chat, cron, devices, history,
    line::{Line, text},
    lists, sessions, settings, tools, usage,
};
use crate::{
    http::Door,
    rates::{CHEAP, DEAR, PLAIN},
    socket::{
        changes::{Changes, Following},
        dialect::{Asked, Caller, Done, Follow},
    },
};

/// Methods of machines that do things for the gateway.
const OF_NODES: &[&str] = &["node.invoke.result", "node.event", "skills.bins"];

/// One text of a client that is connected.
pub(crate) struct OpenClawAsked {
    request: Result<Request, (Value, String)>,
    line: Arc<Line>,
}

/// What is answered to a request.
pub(super) struct Reply {
    pub(super) payload: Value,
    /// The request did not do what was asked; the payload says more.
    pub(super) error: Option<ErrorShape>,
    pub(super) follow: Option<Follow>,
    pub(super) changes: Following,
}

impl From<Value> for Reply {
    fn from(payload: Value) -> Self {
        Self { payload, error: None, follow: None, changes: Following::Same }
    }
}

impl Reply {
    /// Events of the session follow.
    pub(super) fn following(self, follow: Follow) -> Self {
        Self { follow: Some(follow), ..self }
    }
}

impl OpenClawAsked {
    /// What a text asks; nothing where it is no JSON.
    pub(super) fn of(decoded: Decoded, line: &Arc<Line>) -> Option<Self> {
        let request = match decoded {
            Decoded::Request(request) => Ok(request),
            Decoded::Invalid { id, reason } => Err((id, reason)),
            Decoded::NotJson => return None,
        };
        Some(Self { request, line: Arc::clone(line) })
    }

    fn method(&self) -> Option<Method> {
        self.request.as_ref().ok().and_then(|request| Method::of(&request.method, self.line.version))
    }
}

impl Asked for OpenClawAsked {
    fn sends(&self) -> bool {
        matches!(self.method(), Some(Method::ChatSend | Method::SessionsSend | Method::Agent))
    }

    fn cost(&self) -> u32 {
        match self.method() {
            Some(Method::Health) => CHEAP,
            Some(Method::ToolsInvoke) => DEAR,
            _ if self.sends() => DEAR,
            _ => PLAIN,
        }
    }

    async fn answer(self, door: Arc<Door>, caller: Caller) -> Done {
        let Self { request, line } = self;
        let request = match request {
            Ok(request) => request,
            Err((id, reason)) => return done(Response::error(id, ErrorShape::invalid_frame(&reason))),
        };
        let Request { id, method, params } = request;
        let begun = Instant::now();
        let outcome = AssertUnwindSafe(call(&door, &caller, &line, &id, &method, params)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(method, "a request panicked");
            Err(ErrorShape::new(Code::Unavailable, "the gateway failed on this request; its log says more"))
        });
        door.runtime.metrics().request(&method, outcome.is_ok(), begun.elapsed());
        match outcome {
            Ok(Reply { payload, error, follow, changes }) => {
                let response = Response { ok: error.is_none(), error, ..Response::ok(id, payload) };
                Done { follow: follow.into_iter().collect(), changes, ..done(response) }
            }
            Err(error) => done(Response::error(id, error)),
        }
    }

    fn refuse(self, error: RpcError) -> Done {
        let id = self.request.map_or_else(|(id, _)| id, |request| request.id.into());
        done(Response::error(id, error_of(&error, self.line.version)))
    }
}

fn done(response: Response) -> Done {
    Done { text: Some(text(&response)), ..Done::default() }
}

async fn call(
    door: &Door,
    caller: &Caller,
    line: &Line,
    id: &str,
    name: &str,
    params: Value,
) -> Result<Reply, ErrorShape> {
    let version = line.version;
    if name == "connect" {
        return Err(ErrorShape::new(Code::InvalidRequest, "connect is only valid as the first request"));
    }
    if OF_NODES.contains(&name) {
        return Err(ErrorShape::new(Code::InvalidRequest, "unauthorized role: operator"));
    }
    // Before the parameters are looked at, which are none of theirs.
    let needed = Method::scope_of(name, version);
    if !line.may(needed) {
        let name: String = name.chars().take(64).collect();
        let entry = caller.entry(What::Method, "call", Decision::Refused).object(name);
        door.runtime.audit().note(entry.reason("outside the connection's scopes"));
        return Err(ErrorShape::missing_scope(needed.as_str(), version));
    }
    let method = Method::of(name, version).ok_or_else(|| ErrorShape::unknown_method(name))?;
    let params = if params.is_null() { json!({}) } else { params };
    method.params().check(&params, version).map_err(|reason| ErrorShape::invalid_params(name, &reason))?;
    let failed = |error: RpcError| error_of(&error, version);
    let read = Params { name, params };
    match method {
        Method::Health => door.health.get(door).await.map(Reply::from).map_err(failed),
        Method::Status => lists::status(door).await.map(Reply::from).map_err(failed),
        Method::ChatSend => chat::send(door, caller, line, read.to()?).await,
        Method::ChatAbort => chat::abort(door, line, read.to()?).await,
        Method::ChatHistory => history::history(door, line, read.to()?).await,
        Method::ChatInject => chat::inject(door, line, read.to()?).await,
        Method::ChatStartup => history::startup(door, line, read.to()?).await,
        Method::ChatMetadata => Ok(lists::metadata(door).into()),
        Method::Agent => chat::agent(door, caller, line, id, read.to()?).await,
        Method::AgentWait => chat::wait(door, line, read.to()?).await,
        Method::AgentIdentity => lists::identity(door, line, read.to()?),
        Method::AgentsList => Ok(lists::agents(door).into()),
        Method::ModelsList => Ok(lists::models(door).into()),
        Method::SessionsList => sessions::list(door, line, read.to()?).await,
        Method::SessionsPreview => sessions::preview(door, line, read.to()?).await,
        Method::SessionsResolve => sessions::resolve(door, line, read.to()?).await,
        Method::SessionsSearch => sessions::search(door, line, read.to()?).await,
        Method::SessionsCreate => changes::create(door, caller, line, read.to()?).await,
        Method::SessionsPatch => changes::patch(door, caller, line, read.to()?).await,
        Method::SessionsReset => changes::reset(door, caller, line, read.to()?).await,
        Method::SessionsDelete => changes::delete(door, caller, line, read.to()?).await,
        Method::SessionsCompact => changes::compact(door, caller, line, read.to()?).await,
        Method::SessionsDescribe => sessions::describe(door, line, read.to()?).await,
        Method::SessionsGet => sessions::get(door, line, read.to()?).await,
        Method::SessionsSend => chat::send_to_session(door, caller, line, read.to()?).await,
        Method::SessionsAbort => chat::abort_session(door, line, read.to()?).await,
        Method::SessionsSubscribe => {
            Ok(Reply { changes: Following::Begun(Changes::of(&door.runtime)), ..json!({ "subscribed": true }).into() })
        }
        Method::SessionsUnsubscribe => Ok(Reply { changes: Following::Ended, ..json!({ "subscribed": false }).into() }),
        Method::SessionsMessagesSubscribe => sessions::follow(door, line, read.to()?).await,
        Method::SessionsMessagesUnsubscribe => sessions::ignore(door, line, read.to()?),
        Method::CronList => cron::list(door, line, read.to()?).await,
        Method::CronGet => cron::get(door, line, read.to()?).await,
        Method::CronStatus => cron::status(door, line).await,
        Method::CronRuns => cron::runs(door, line, read.to()?).await,
        Method::CronAdd => cron::add(door, caller, line, read.to()?).await,
        Method::CronUpdate => cron::update(door, caller, line, read.to()?).await,
        Method::CronRemove => cron::remove(door, caller, line, read.to()?).await,
        Method::CronRun => cron::run(door, caller, line, read.to()?).await,
        Method::ChannelsStatus => {
            Ok(lists::channels(door).await.map_err(|error| error_of(&error, line.version))?.into())
        }
        Method::SystemPresence => Ok(json!(line.presence.snapshot().0).into()),
        Method::LastHeartbeat => Ok(Value::Null.into()),
        Method::NodeList => Ok(json!({ "ts": door.runtime.clock().now_ms(), "nodes": [] }).into()),
        Method::CommandsList => Ok(json!({ "commands": [] }).into()),
        Method::ToolsCatalog => tools::catalog(door, line, read.to()?),
        Method::ToolsEffective => tools::effective(door, line, read.to()?),
        Method::ToolsInvoke => tools::call(door, caller, line, read.to()?).await,
        Method::SkillsStatus => Ok(json!({ "workspaceDir": "", "managedSkillsDir": "", "skills": [] }).into()),
        Method::ConfigGet => Ok(settings::config(door).into()),
        Method::ConfigSchema => settings::schema(door),
        Method::LogsTail => settings::log(door, &read.to()?),
        Method::UsageStatus => Ok(usage::status(door).into()),
        Method::UsageCost => usage::cost(door, line, read.to()?).await,
        Method::DevicePairList => Ok(devices::list(door)),
        Method::DevicePairApprove => devices::approve(door, caller, line, read.to()?).await,
        Method::DevicePairReject => devices::reject(door, caller, line, read.to()?).await,
        Method::DevicePairRemove => devices::remove(door, caller, line, read.to()?).await,
        Method::DevicePairRename => devices::rename(door, caller, line, read.to()?).await,
        Method::DeviceTokenRotate => devices::rotate(door, caller, line, read.to()?).await,
        Method::DeviceTokenRevoke => devices::revoke(door, caller, line, read.to()?).await,
        Method::ApprovalsList => approvals::list(door, line),
        Method::ApprovalsGet => approvals::get(door, line, &read.to()?),
        Method::ApprovalsRequest => approvals::request(door, caller, line, id, read.to()?).await,
        Method::ApprovalsWait => approvals::wait(door, line, &read.to()?).await,
        Method::ApprovalsResolve => approvals::resolve(door, caller, line, read.to()?).await,
    }
}

/// Parameters whose shape was looked at.
struct Params<'a> {
    name: &'a str,
    params: Value,
}

impl Params<'_> {
    fn to<T: DeserializeOwned>(self) -> Result<T, ErrorShape> {
        T::deserialize(self.params).map_err(|error| ErrorShape::invalid_params(self.name, &error.to_string()))
    }
}

/// An error in the protocol's words.
pub(super) fn error_of(error: &RpcError, version: Version) -> ErrorShape {
    let code = match error.code {
        ErrorCode::InvalidParams
        | ErrorCode::InvalidRequest
        | ErrorCode::UnknownAgent
        | ErrorCode::UnknownSession
        | ErrorCode::UnknownJob
        | ErrorCode::Conflict
        | ErrorCode::TooLarge => Code::InvalidRequest,
        ErrorCode::Forbidden if version >= Version::V4 => Code::Forbidden,
        ErrorCode::Forbidden => Code::InvalidRequest,
        _ => Code::Unavailable,
    };
    let reason = match error.code {
        ErrorCode::Conflict => "chat-request-conflict",
        code => code.as_str(),
    };
    ErrorShape {
        details: Some(json!({ "reason": reason })),
        retryable: error.code.is_retryable().then_some(true),
        retry_after_ms: error.retry_after_ms,
        ..ErrorShape::new(code, error.message.clone())
    }
}
