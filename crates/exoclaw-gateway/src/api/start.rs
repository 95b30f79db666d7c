//! From a request to a run.

use exoclaw_protocol::{
    AgentId, Block, ChatSendParams, ChatSendResult, ErrorCode, IdempotencyKey, RpcError, SendStatus, SessionKey,
    SessionRef,
};
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    admit::Admitted,
    listening::{Ended, Listening, said_before},
    prompt::{self, Said},
};
use crate::http::Door;

/// Headers that name a session which lasts.
const SESSION: [&str; 3] = ["x-exoclaw-session", "x-openclaw-session-key", "x-clawdbot-session-key"];

/// Names of `model` that mean the default agent.
const DEFAULTS: [&str; 4] = ["exoclaw", "exoclaw/default", "openclaw", "openclaw/default"];

/// What is heard of a run: to come, or said before.
pub(super) enum Run {
    Live(Listening),
    Past(String, Ended),
}

/// Which session a request means.
pub(super) struct Place {
    pub(super) session: SessionKey,
    /// It knows what was said before.
    pub(super) lasting: bool,
    key: Option<IdempotencyKey>,
}

/// The agent that `model` means.
///
/// # Errors
/// When there is none of that name.
pub(super) fn agent_of(door: &Door, model: &str) -> Result<AgentId, RpcError> {
    let name = model.strip_prefix("exoclaw/").or_else(|| model.strip_prefix("openclaw/")).unwrap_or(model);
    let is_default = DEFAULTS.contains(&model);
    let found =
        door.runtime.agents().iter().find(|agent| if is_default { agent.default } else { agent.id.as_str() == name });
    found.map(|agent| agent.id.clone()).ok_or_else(|| {
        let model: String = model.chars().take(64).collect();
        RpcError::new(ErrorCode::UnknownAgent, format!("there is no agent {model:?}: GET /v1/models lists them"))
    })
}

/// The session: one that the request names, one of the named user, or a new one. The same key means the same session.
///
/// # Errors
/// When a name is not valid.
pub(super) fn place(agent: &AgentId, headers: &HeaderMap, user: Option<&str>) -> Result<Place, RpcError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let invalid = |error: exoclaw_protocol::IdError| RpcError::invalid_params(error.to_string());
    let key = text("idempotency-key").map(str::parse::<IdempotencyKey>).transpose().map_err(invalid)?;
    if let Some(name) = SESSION.iter().find_map(|name| text(name)) {
        let named: SessionRef = name.parse().map_err(invalid)?;
        let session = named.resolve(agent).map_err(invalid)?;
        return Ok(Place { session, lasting: true, key });
    }
    let (segments, lasting) = match (user.filter(|user| !user.is_empty()), &key) {
        (Some(user), _) => (["api-user".to_owned(), user.to_owned()], true),
        (None, Some(key)) => (["api".to_owned(), hex::encode(&Sha256::digest(key.as_str())[..16])], false),
        (None, None) => (["api".to_owned(), crate::auth::random_text()], false),
    };
    let session = SessionKey::new(agent, segments.iter().map(String::as_str)).map_err(invalid)?;
    Ok(Place { session, lasting, key })
}

/// What a request asks, in whatever words it came.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// Picks the agent.
    pub(super) model: &'a str,
    pub(super) user: Option<&'a str>,
    /// The session that it goes on in, where it names one of ours.
    pub(super) previous: Option<SessionKey>,
    pub(super) system: Option<&'a str>,
    pub(super) messages: &'a [Said],
    /// The client's own tools.
    pub(super) tools: &'a [Value],
}

/// Makes the message durable; its run follows, in the session that is named here.
///
/// # Errors
/// When it names no agent or brings tools of its own; as `chat.send`, and when the run of the same key ended badly.
pub(super) async fn ask(
    door: &Door,
    admitted: &Admitted,
    question: Question<'_>,
) -> Result<(SessionKey, Run), RpcError> {
    let Question { model, user, previous, system, messages, tools } = question;
    // They would be called by nobody.
    if !tools.is_empty() {
        return Err(RpcError::invalid_params("tools: an agent calls its own tools, and none of its client's"));
    }
    let agent = agent_of(door, model)?;
    let mut place = place(&agent, &admitted.headers, user)?;
    if let Some(previous) = previous {
        place.session = previous;
        place.lasting = true;
    }
    let content = prompt::of(system, messages, place.lasting)?;
    let session = place.session.clone();
    Ok((session, run(door, admitted, place, content).await?))
}

async fn run(door: &Door, admitted: &Admitted, place: Place, content: Vec<Block>) -> Result<Run, RpcError> {
    let Place { session, key, .. } = place;
    let params = ChatSendParams {
        session: Some(session.into()),
        content: Some(content),
        idempotency_key: key,
        ..ChatSendParams::default()
    };
    let (sent, subscription) = door.send(&admitted.pass.who, params).await?;
    let ChatSendResult { run_id, session, status, failure, .. } = sent;
    match status {
        SendStatus::Ok => {
            let text = said_before(&door.runtime, session, &run_id).await?;
            let ended = Ended { usage: Default::default(), how: Ok(exoclaw_protocol::StopReason::EndTurn) };
            Ok(Run::Past(text, ended))
        }
        // A word that stops is no question.
        SendStatus::Stopped => {
            let ended = Ended { usage: Default::default(), how: Ok(exoclaw_protocol::StopReason::EndTurn) };
            Ok(Run::Past(String::new(), ended))
        }
        SendStatus::Error => Err(failure.map_or_else(
            || RpcError::new(ErrorCode::Internal, "the run failed"),
            |failure| RpcError::new(failure.code, failure.message),
        )),
        _ => Ok(Run::Live(Listening::new(&door.runtime, run_id, subscription, admitted.pass.clone()))),
    }
}
