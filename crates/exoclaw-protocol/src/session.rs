//! Sessions: how they are set, listed, changed and found.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{AgentId, Origin, Role, RpcError, SessionKey, SessionRef, Spent, limits};

/// What becomes of a message that comes while a run of its session is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueMode {
    /// It waits, and is answered on its own: one after the other.
    #[default]
    #[serde(alias = "followup")]
    Queue,
    /// It waits, and whatever else waits with it is answered in one turn.
    Collect,
    /// It stops what was sent before and takes its place.
    Interrupt,
    /// It is given to the run under way before its next model step; it waits where there is none.
    Steer,
}

impl QueueMode {
    /// It is the default.
    pub fn is_queue(&self) -> bool {
        *self == Self::Queue
    }
}

/// Whether a session takes messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendPolicy {
    /// It does.
    #[default]
    Allow,
    /// It refuses them.
    Deny,
}

/// How much a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Not at all, where it can be helped.
    Off,
    /// As little as the provider offers.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
}

/// What people have set for one session. It is part of the store format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionSettings {
    /// A name for people; without one, a title is made from the first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The model that answers, in place of the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much it thinks, in place of the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// What becomes of messages that come while a run is under way.
    #[serde(skip_serializing_if = "QueueMode::is_queue")]
    pub queue: QueueMode,
    /// Whether it takes messages.
    #[serde(skip_serializing_if = "SendPolicy::is_allow")]
    pub send: SendPolicy,
    /// It is put away: lists leave it out unless they are asked for such.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

impl SendPolicy {
    /// Messages are taken.
    pub fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

impl SessionSettings {
    /// Nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Parameters of `session.list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionListParams {
    /// At most so many of the most recently used, up to [`limits::SESSION_LIST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only those of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Only those with exactly this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Only those with this text in key, label or title, in upper or lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only those that were used within so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_within_ms: Option<u64>,
    /// Those that are archived, in place of those that are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// Result of `session.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionListResult {
    /// The most recently used first.
    pub sessions: Vec<SessionInfo>,
}

/// One session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The session.
    pub session: SessionKey,
    /// Names its conversation: another one once the session was reset, or deleted and used again.
    #[serde(default)]
    pub id: String,
    /// Its agent.
    pub agent: AgentId,
    /// When its first record was written, in milliseconds since 1970.
    pub created_ms: u64,
    /// When its last record was written, in milliseconds since 1970.
    pub updated_ms: u64,
    /// Messages that people sent, those before a reset included.
    pub messages: u64,
    /// A run is under way or waiting.
    pub active: bool,
    /// The start of the conversation's first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was set for it.
    #[serde(default, skip_serializing_if = "SessionSettings::is_default")]
    pub settings: SessionSettings,
    /// Where its latest message with an origin came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where answers to it go on its platform, if a channel brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What its models used and cost, in all.
    #[serde(default)]
    pub spent: Spent,
}

macro_rules! of_a_session {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The session.
            pub session: SessionRef,
        })*
    };
}

of_a_session! {
    /// Parameters of `session.get`.
    SessionGetParams;
    /// Parameters of `session.reset`.
    SessionResetParams;
    /// Parameters of `session.delete`.
    SessionDeleteParams;
}

/// Parameters of `session.patch`. What is absent stays as it is; null clears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionPatchParams {
    /// The session.
    pub session: SessionRef,
    /// See [`SessionSettings::label`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub label: Option<Option<String>>,
    /// See [`SessionSettings::model`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub model: Option<Option<String>>,
    /// See [`SessionSettings::thinking`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Option<Thinking>>,
    /// See [`SessionSettings::queue`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub queue: Option<Option<QueueMode>>,
    /// See [`SessionSettings::send`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub send: Option<Option<SendPolicy>>,
    /// See [`SessionSettings::archived`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub archived: Option<Option<bool>>,
}

/// Tells null, which is `Some(None)`, from absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl SessionPatchParams {
    /// A patch that changes nothing.
    pub fn new(session: SessionRef) -> Self {
        Self { session, label: None, model: None, thinking: None, queue: None, send: None, archived: None }
    }

    /// The settings with the changes.
    ///
    /// # Errors
    /// `invalid_params` where label or model is empty, too long or has a control character.
    pub fn apply(self, settings: &SessionSettings) -> Result<SessionSettings, RpcError> {
        for (name, text) in [("label", &self.label), ("model", &self.model)] {
            let Some(Some(text)) = text else { continue };
            if text.trim().is_empty() || text.len() > limits::LABEL_BYTES || text.chars().any(char::is_control) {
                let text = format!("{name}: want 1 to {} bytes without control characters", limits::LABEL_BYTES);
                return Err(RpcError::invalid_params(text));
            }
        }
        let old = settings.clone();
        Ok(SessionSettings {
            label: self.label.unwrap_or(old.label),
            model: self.model.unwrap_or(old.model),
            thinking: self.thinking.unwrap_or(old.thinking),
            queue: self.queue.map_or(old.queue, Option::unwrap_or_default),
            send: self.send.map_or(old.send, Option::unwrap_or_default),
            archived: self.archived.map_or(old.archived, Option::unwrap_or_default),
        })
    }
}

/// Result of `session.delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDeleteResult {
    /// There was one, and nothing of it is left.
    pub deleted: bool,
}

/// Parameters of `session.compact`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionCompactParams {
    /// The session.
    pub session: SessionRef,
    /// How many of the newest messages that people sent stay in the conversation, with their answers; 1 at least.
    pub keep: u32,
    /// The agent's model says in short what goes, and that stands in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summarize: bool,
}

/// Result of `session.compact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCompactResult {
    /// Older messages left the conversation.
    pub compacted: bool,
    /// How many messages of people it has now.
    pub kept: u32,
}

/// Parameters of `session.preview`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionPreviewParams {
    /// The sessions, up to [`limits::PREVIEWS`].
    pub sessions: Vec<SessionRef>,
    /// At most so many of the newest texts of each, up to [`limits::PREVIEW_TEXTS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// At most so many characters of each text, up to [`limits::PREVIEW_CHARS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<u32>,
}

/// Result of `session.preview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPreviewResult {
    /// In the order of the question.
    pub previews: Vec<SessionPreview>,
}

/// The newest texts of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPreview {
    /// The session.
    pub session: SessionKey,
    /// It is there.
    pub found: bool,
    /// Oldest first.
    pub texts: Vec<PreviewText>,
}

/// One text of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewText {
    /// Who speaks.
    pub role: Role,
    /// The start of what is said.
    pub text: String,
}

/// Parameters of `session.resolve`: one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionResolveParams {
    /// Its key or bare name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// The id of its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
