//! Parameters and results of the methods. Absent optional fields are left out, never null.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AgentId, Approval, Block, Effect, ErrorCode, IdempotencyKey, Message, Origin, PluginName, QueueMode, Role,
    RpcError, RunId, SessionKey, SessionRef, attachment,
};

/// Parameters of `ping`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingParams {}

/// Result of `ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingResult {
    /// Milliseconds since 1970 on the daemon's clock.
    pub now_ms: u64,
}

/// Parameters of `status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusParams {}

/// Result of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusResult {
    /// Version of the daemon.
    pub version: String,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// It answers with the built-in demo model.
    pub demo: bool,
    /// Its agents.
    pub agents: Vec<AgentStatus>,
    /// Sessions in the store.
    pub sessions: u64,
    /// Runs under way or waiting.
    pub active_runs: u64,
    /// Plugins that can be called.
    pub plugins_ready: u64,
    /// Plugins that could not be loaded.
    pub plugins_failed: u64,
    /// Why the store takes no writes, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_read_only: Option<String>,
    /// What makes it less safe than it could be, and what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One agent in `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Its id.
    pub id: AgentId,
    /// Name of its provider in the config.
    pub provider: String,
    /// The model it asks for.
    pub model: String,
    /// Takes what no binding claims.
    pub default: bool,
}

/// Parameters of `chat.send`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatSendParams {
    /// The session; without it and `origin`, the default agent's `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// Where the message comes from; the router chooses agent and session by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The message, as one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message, as blocks of text, images and files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<Block>>,
    /// Sending again with the same key answers with the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// What becomes of it while a run is under way, in place of what the session says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueMode>,
    /// Time for its run, in milliseconds, in place of what the config says; none for 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How a message is to be treated. It is part of the store format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// What becomes of it while a run is under way.
    #[serde(skip_serializing_if = "QueueMode::is_queue")]
    pub queue: QueueMode,
    /// Time for its run, in milliseconds; none for 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl RunOptions {
    /// It is treated like any other.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A session that the sender names.
    Session(SessionRef),
    /// Whichever session the router finds.
    Origin(Origin),
}

impl ChatSendParams {
    /// A text for a session.
    pub fn text(session: SessionRef, text: impl Into<String>) -> Self {
        Self { session: Some(session), text: Some(text.into()), ..Self::default() }
    }

    /// Whom it is for.
    ///
    /// # Errors
    /// `invalid_params` when both `session` and `origin` are there, or the origin is not valid.
    pub fn target(&self) -> Result<Target, RpcError> {
        match (&self.session, &self.origin) {
            (Some(_), Some(_)) => Err(RpcError::invalid_params("give either session or origin, not both")),
            (None, Some(origin)) => {
                origin.validate().map_err(|error| RpcError::invalid_params(error.to_string()))?;
                Ok(Target::Origin(origin.clone()))
            }
            (Some(session), None) => Ok(Target::Session(session.clone())),
            (None, None) => Ok(Target::Session(SessionRef::Name("main".to_owned()))),
        }
    }

    /// Whom it is for, and the message.
    ///
    /// # Errors
    /// As [`target`](Self::target); `invalid_params` when both or neither of `text` and `content` are there, the
    /// message is empty, has blocks that a user can't send or attachments that are not taken;
    /// `too_large` for too many blocks, and too many or too large attachments. A blank text beside others is left out: providers refuse it, and what is durable
    /// goes to them with each later message.
    pub fn into_parts(self) -> Result<(Target, Message, Option<IdempotencyKey>), RpcError> {
        let target = self.target()?;
        let mut content = match (self.text, self.content) {
            (Some(text), None) => vec![Block::Text { text }],
            (None, Some(content)) => content,
            _ => return Err(RpcError::invalid_params("give either text or content")),
        };
        attachment::check(&content)?;
        content.retain(|block| block.as_text().is_none_or(|text| !text.trim().is_empty()));
        if content.is_empty() {
            return Err(RpcError::invalid_params("the message is empty"));
        }
        Ok((target, Message { role: Role::User, content }, self.idempotency_key))
    }
}

/// What became of a sent message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendStatus {
    /// It is durable and its run will follow.
    Started,
    /// It was sent before under this key, and its run has not ended.
    InFlight,
    /// It was sent before under this key, and its run ended well.
    Ok,
    /// It was sent before under this key, and its run failed or was stopped.
    Error,
    /// It was a word that stops: it is no message, and the runs that it stopped are named.
    Stopped,
}

/// Why the run of a message that was sent before did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendFailure {
    /// For programs; `interrupted` of a run that was stopped.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

/// Result of `chat.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatSendResult {
    /// The run that answers; where messages were joined, that of all of them. Of a word that stops it names no run.
    pub run_id: RunId,
    /// The session, in canonical form.
    pub session: SessionKey,
    /// What became of it.
    pub status: SendStatus,
    /// Why, where that is [`SendStatus::Error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<SendFailure>,
    /// The runs that were stopped, where it is [`SendStatus::Stopped`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<RunId>,
    /// Numbering of the session's events.
    pub epoch: u64,
    /// The last event before those of this run; events after it follow as notifications.
    pub seq: u64,
}

/// Parameters of `chat.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatAbortParams {
    /// The session.
    pub session: SessionRef,
    /// One run of it; without, all that are under way or waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// Result of `chat.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatAbortResult {
    /// Something was there to stop.
    pub aborted: bool,
    /// The runs that were stopped.
    pub run_ids: Vec<RunId>,
}

/// Parameters of `chat.history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatHistoryParams {
    /// The session.
    pub session: SessionRef,
    /// At most so many of the newest messages, up to [`limits::HISTORY_MESSAGES`](crate::limits::HISTORY_MESSAGES).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// At most so many bytes, up to [`limits::HISTORY_BYTES`](crate::limits::HISTORY_BYTES); the newest message is there in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u32>,
    /// Only messages before the one with this number: the page before one whose first message has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most so many bytes of one message: of a larger one, only its size is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<u32>,
    /// Images and files are there; without it, only that there are some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attachments: bool,
}

impl ChatHistoryParams {
    /// The newest messages, as many as there may be.
    pub fn new(session: SessionRef) -> Self {
        Self { session, limit: None, max_bytes: None, before: None, max_message_bytes: None, attachments: false }
    }
}

/// Result of `chat.history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatHistoryResult {
    /// The session, in canonical form.
    pub session: SessionKey,
    /// Oldest first.
    pub messages: Vec<HistoryMessage>,
}

/// One message of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryMessage {
    /// Number of its record in the session's journal; grows along the history.
    pub seq: u64,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// When it was made durable, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Vec<Block>,
    /// Set where the run ended before the message was whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<ErrorCode>,
    /// Somebody put it there: it is of no run, and the run id names it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub note: bool,
    /// A model wrote it, in short, in place of all messages up to this number, which left the conversation. As of a note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
}

/// Parameters of `session.subscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionSubscribeParams {
    /// The session.
    pub session: SessionRef,
    /// The numbering of the last event that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The last event that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// Result of `session.subscribe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSubscribeResult {
    /// The session, in canonical form.
    pub session: SessionKey,
    /// Numbering of its events.
    pub epoch: u64,
    /// The event after which notifications follow.
    pub seq: u64,
    /// Every event since the one that the client named will follow. Otherwise the client starts from the snapshot.
    pub recovered: bool,
    /// What the session looks like at `seq`; not there when recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SessionSnapshot>,
}

/// What a session looks like at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSnapshot {
    /// The newest messages, oldest first.
    pub messages: Vec<HistoryMessage>,
    /// The run that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunSnapshot>,
}

/// A run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSnapshot {
    /// The run.
    pub run_id: RunId,
    /// What the model has said so far in its present step.
    pub text: String,
    /// Its calls that wait to be allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
}

/// Parameters of `plugin.list`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginListParams {}

/// Result of `plugin.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginListResult {
    /// In the order of the config.
    pub plugins: Vec<PluginInfo>,
}

/// One plugin in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginInfo {
    /// Its name in the config.
    pub name: PluginName,
    /// Its version, from its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is for, from its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// SHA-256 of the component, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why it can't be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why the file that lies there now is not used; the one before it still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_update: Option<String>,
    /// Its tools.
    pub tools: Vec<PluginTool>,
    /// What it asks for, a line each.
    pub requested: Vec<String>,
    /// What it gets, a line each.
    pub granted: Vec<String>,
    /// What it asks for and does not get, or not all of it, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// One tool of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginTool {
    /// `plugin.tool`.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What it does to the world.
    pub effect: Effect,
    /// JSON Schema of its arguments, an object schema.
    #[serde(default, rename = "inputSchema")]
    pub input_schema: Value,
}
