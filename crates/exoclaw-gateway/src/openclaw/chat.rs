//! Messages and runs: sending, stopping, waiting.

use exoclaw_protocol::{
    Block, ChatAbortParams, ChatHistoryParams, ChatInjectParams, ChatSendParams, ChatSendResult, ErrorCode,
    HistoryMessage, IdempotencyKey, NoteBy, QueueMode, Role, RpcError, RunId, RunStatus, RunWaitParams, SendStatus,
    SessionKey, SessionRef, SessionSubscribeParams,
    openclaw::{Code, ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    attachment::Attachment,
    line::{Line, Run},
};
use crate::{
    http::Door,
    socket::dialect::{Caller, Follow},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Send {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    message: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    deliver: bool,
    #[serde(default)]
    queue_mode: Option<QueueMode>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    idempotency_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendToSession {
    pub(super) key: String,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    pub(super) message: String,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default)]
    pub(super) timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    message: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    session_key: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    deliver: bool,
    /// In seconds.
    #[serde(default)]
    timeout: Option<u64>,
    idempotency_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wait {
    run_id: String,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inject {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    message: String,
    #[serde(default)]
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Abort {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AbortSession {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
}

pub(super) async fn send_to_session(
    door: &Door,
    caller: &Caller,
    line: &Line,
    params: SendToSession,
) -> Result<Reply, ErrorShape> {
    let SendToSession { key, agent_id, message, attachments, timeout_ms, idempotency_key } = params;
    let idempotency_key = idempotency_key.unwrap_or_else(crate::auth::random_text);
    let session_key = key;
    let (deliver, queue_mode) = (false, None);
    let message =
        Send { session_key, agent_id, message, attachments, deliver, queue_mode, timeout_ms, idempotency_key };
    send(door, caller, line, message).await
}

/// Sends a message: its run has the name of its key.
pub(super) async fn send(door: &Door, caller: &Caller, line: &Line, params: Send) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    let name = params.idempotency_key.clone();
    let (sent, follow) = start(door, caller, line, session, params, None).await?;
    let status = match sent.status {
        SendStatus::Started => "started",
        SendStatus::InFlight => "in_flight",
        SendStatus::Ok => "ok",
        SendStatus::Error => return Ok(ended_badly(&name, sent.failure).following(follow)),
        SendStatus::Stopped => return Ok(Reply::from(stopped(line, &sent.stopped)).following(follow)),
    };
    Ok(Reply::from(json!({ "runId": name, "status": status })).following(follow))
}

/// Sends a message and answers twice: now, and when its run ends.
pub(super) async fn agent(
    door: &Door,
    caller: &Caller,
    line: &Line,
    request: &str,
    params: Agent,
) -> Result<Reply, ErrorShape> {
    let Agent { message, agent_id, session_key, session_id, attachments, deliver, timeout, idempotency_key } = params;
    let named = [session_key, session_id].into_iter().flatten().find(|name| !name.is_empty());
    let session_key = named.unwrap_or_else(|| "main".to_owned());
    let timeout_ms = timeout.map(|seconds| seconds.saturating_mul(1_000));
    let session = line.session(&session_key, agent_id.as_deref())?;
    let name = idempotency_key.clone();
    let queue_mode = None;
    let send = Send { session_key, agent_id, message, attachments, deliver, queue_mode, timeout_ms, idempotency_key };
    let (sent, follow) = start(door, caller, line, session, send, Some(request)).await?;
    let accepted_ms = door.runtime.clock().now_ms();
    let mut payload = match sent.status {
        SendStatus::Started => json!({ "runId": name, "status": "accepted", "acceptedAt": accepted_ms }),
        SendStatus::InFlight => json!({ "runId": name, "status": "in_flight" }),
        SendStatus::Ok => {
            let answer = answer_of(door, &sent).await.map_err(|error| error_of(&error, line.version))?;
            let payloads = json!([{ "text": answer, "mediaUrl": null }]);
            json!({ "runId": name, "status": "ok", "summary": "completed", "result": { "payloads": payloads } })
        }
        SendStatus::Error => return Ok(ended_badly(&name, sent.failure)),
        SendStatus::Stopped => json!({ "runId": name, "status": "ok", "summary": "stopped" }),
    };
    if line.version >= Version::V4 {
        payload["sessionKey"] = json!(sent.session);
        payload["agentId"] = json!(sent.session.agent());
    }
    Ok(Reply::from(payload).following(follow))
}

/// What a run that has ended well answered, where it is among the newest messages of its session.
async fn answer_of(door: &Door, sent: &ChatSendResult) -> Result<Option<String>, RpcError> {
    let history = door.runtime.history(ChatHistoryParams::new(sent.session.clone().into())).await?;
    let of_run = |message: &&HistoryMessage| message.run_id == sent.run_id && message.role == Role::Assistant;
    let texts = history.messages.iter().rev().find(of_run).map(|last| last.content.iter());
    Ok(texts.map(|blocks| blocks.filter_map(Block::as_text).collect::<String>().trim().to_owned()))
}

async fn start(
    door: &Door,
    caller: &Caller,
    line: &Line,
    session: SessionRef,
    params: Send,
    answers: Option<&str>,
) -> Result<(ChatSendResult, Follow), ErrorShape> {
    if params.deliver {
        // Silently not delivered, it would be taken for told.
        let text = "deliver: an answer goes where its message came from, to this client; channels answer what came \
                    through them";
        return Err(ErrorShape::new(Code::InvalidRequest, text));
    }
    let key: IdempotencyKey = params
        .idempotency_key
        .parse()
        .map_err(|error: exoclaw_protocol::IdError| ErrorShape::new(Code::InvalidRequest, error.to_string()))?;
    let mut content = vec![Block::text(params.message)];
    for attachment in params.attachments {
        content.push(attachment.into_block()?);
    }
    let message = ChatSendParams {
        session: Some(session),
        content: Some(content),
        idempotency_key: Some(key),
        queue: params.queue_mode,
        timeout_ms: params.timeout_ms,
        ..ChatSendParams::default()
    };
    let failed = |error: RpcError| error_of(&error, line.version);
    let (sent, subscription) = door.send(&caller.pass.who, message).await.map_err(failed)?;
    line.call_session(&sent.session, &params.session_key);
    let run = Run {
        id: params.idempotency_key,
        session: Some(sent.session.clone()),
        text: String::new(),
        answers: answers.filter(|_| sent.status == SendStatus::Started).map(str::to_owned).into_iter().collect(),
    };
    if sent.status != SendStatus::Stopped {
        line.call_run(&sent.run_id, run);
    }
    Ok((sent, Follow { subscription, exact: false }))
}

fn ended_badly(name: &str, failure: Option<exoclaw_protocol::SendFailure>) -> Reply {
    let summary = failure.map(|failure| failure.message).unwrap_or_default();
    let payload = json!({ "runId": name, "status": "error", "summary": summary });
    Reply { error: Some(ErrorShape::new(Code::Unavailable, summary)), ..Reply::from(payload) }
}

pub(super) async fn abort(door: &Door, line: &Line, params: Abort) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    stop(door, line, session, &params.session_key, params.run_id.as_deref()).await
}

pub(super) async fn abort_session(door: &Door, line: &Line, params: AbortSession) -> Result<Reply, ErrorShape> {
    let AbortSession { key, agent_id, run_id } = params;
    let of_run = || run_id.as_deref().and_then(|id| line.run_named(id)?.1).map(|session| session.to_string());
    let Some(key) = key.or_else(of_run) else {
        let reason = if run_id.is_some() { "there is no such run" } else { "give key or runId" };
        return Err(ErrorShape::invalid_params("sessions.abort", reason));
    };
    let session = line.session(&key, agent_id.as_deref())?;
    stop(door, line, session, &key, run_id.as_deref()).await
}

/// Stops one run of a session, or all.
async fn stop(
    door: &Door,
    line: &Line,
    session: SessionRef,
    called: &str,
    run: Option<&str>,
) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let key = session_key(door, &session)?;
    let run_id = match run {
        None => None,
        Some(name) => match line.run_named(name) {
            Some((run_id, _)) => Some(run_id),
            None => match find(door, line, &key, name).await.map_err(failed)? {
                Some(run_id) => Some(run_id),
                None => return Ok(stopped(line, &[]).into()),
            },
        },
    };
    line.call_session(&key, called);
    match door.runtime.abort(ChatAbortParams { session: key.into(), run_id }).await {
        Ok(aborted) => Ok(stopped(line, &aborted.run_ids).into()),
        Err(error) if error.code == ErrorCode::InvalidParams => {
            Err(ErrorShape::new(Code::InvalidRequest, "runId does not match sessionKey"))
        }
        Err(error) => Err(failed(error)),
    }
}

fn stopped(line: &Line, runs: &[RunId]) -> Value {
    let names: Vec<String> = runs.iter().map(|run_id| line.run(run_id).id).collect();
    json!({ "ok": true, "aborted": !names.is_empty(), "runIds": names })
}

/// A run that another connection started: by its key, which is its name from now on, or by our own name.
async fn find(door: &Door, line: &Line, session: &SessionKey, name: &str) -> Result<Option<RunId>, RpcError> {
    let found = match name.parse::<IdempotencyKey>() {
        Ok(key) => door.runtime.run_of(&session.clone().into(), &key).await?,
        Err(_) => None,
    };
    let Some(run_id) = found else { return Ok(name.parse().ok()) };
    let known = line.run(&run_id);
    line.call_run(&run_id, Run { id: name.to_owned(), session: Some(session.clone()), ..known });
    Ok(Some(run_id))
}

fn session_key(door: &Door, session: &SessionRef) -> Result<SessionKey, ErrorShape> {
    door.runtime.session_key(session).map_err(|error| ErrorShape::new(Code::InvalidRequest, error.message))
}

/// Puts something into a conversation that no run answers, and tells of the session from now on.
pub(super) async fn inject(door: &Door, line: &Line, params: Inject) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    line.call_session(&session_key(door, &session)?, &params.session_key);
    let text = match params.label.filter(|label| !label.is_empty()) {
        Some(label) => format!("[{label}]\n\n{}", params.message),
        None => params.message,
    };
    let failed = |error: RpcError| error_of(&error, line.version);
    let asked = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
    let (_, subscription) = door.runtime.subscribe(asked).await.map_err(failed)?;
    let noted = door.inject(ChatInjectParams { session, text, by: NoteBy::Assistant }).await.map_err(failed)?;
    let reply = Reply::from(json!({ "ok": true, "messageId": noted.run_id }));
    Ok(reply.following(Follow { subscription, exact: false }))
}

/// Waits for the end of a run. One that nobody knows has no end to wait for.
pub(super) async fn wait(door: &Door, line: &Line, params: Wait) -> Result<Reply, ErrorShape> {
    let timeout = json!({ "runId": params.run_id, "status": "timeout" });
    let run_id = match line.run_named(&params.run_id) {
        Some((run_id, _)) => run_id,
        None => match params.run_id.parse() {
            Ok(run_id) => run_id,
            Err(_) => return Ok(timeout.into()),
        },
    };
    let waited = match door.runtime.wait(RunWaitParams { run_id, timeout_ms: params.timeout_ms }).await {
        Ok(waited) => waited,
        Err(error) if error.code == ErrorCode::UnknownRun => return Ok(timeout.into()),
        Err(error) => return Err(error_of(&error, line.version)),
    };
    let mut payload = json!({ "runId": params.run_id, "startedAt": waited.accepted_ms, "endedAt": waited.ended_ms });
    payload["status"] = json!(match waited.status {
        RunStatus::Pending => return Ok(timeout.into()),
        RunStatus::Ok => "ok",
        RunStatus::Aborted | RunStatus::Error => "error",
    });
    if let Some(failure) = waited.failure {
        payload["error"] = failure.message.into();
    }
    let ended = waited.reason.map(super::telling::stop_reason);
    if let Some(reason) = ended.or((waited.status == RunStatus::Ok).then_some("stop")) {
        payload["stopReason"] = reason.into();
    }
    Ok(payload.into())
}
