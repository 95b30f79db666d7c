//! Runs and notes: waiting for the one, adding the other.

use serde::{Deserialize, Serialize};

use crate::{AbortReason, RunId, SendFailure, SessionKey, SessionRef, Usage};

/// Parameters of `run.wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunWaitParams {
    /// The run.
    pub run_id: RunId,
    /// Time to wait in milliseconds, up to [`limits::RUN_WAIT`](crate::limits::RUN_WAIT); 30 seconds where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It has not ended in the time given.
    Pending,
    /// It ended well.
    Ok,
    /// It was stopped.
    Aborted,
    /// It failed.
    Error,
}

/// Result of `run.wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunWaitResult {
    /// The run that was asked for.
    pub run_id: RunId,
    /// The run that answers its message: another one where messages were joined.
    pub answered_by: RunId,
    /// Its session.
    pub session: SessionKey,
    /// How far it is.
    pub status: RunStatus,
    /// What the model said in its last step; empty while it is pending.
    pub text: String,
    /// Tokens of the whole run; none while it is pending.
    pub usage: Usage,
    /// Why, where the status is [`RunStatus::Error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<SendFailure>,
    /// Why, where the status is [`RunStatus::Aborted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<AbortReason>,
    /// When its message was accepted, in milliseconds since 1970.
    pub accepted_ms: u64,
    /// When it ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

/// Who a note is by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteBy {
    /// As if the model had said it.
    #[default]
    Assistant,
    /// Somebody who tells the model something that the user did not say.
    System,
}

/// Parameters of `chat.inject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatInjectParams {
    /// The session.
    pub session: SessionRef,
    /// What is noted.
    pub text: String,
    /// Who it is by.
    #[serde(default)]
    pub by: NoteBy,
}

/// Result of `chat.inject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatInjectResult {
    /// Names the note, as a run is named.
    pub run_id: RunId,
    /// The session, in canonical form.
    pub session: SessionKey,
    /// Number of its record in the session's journal.
    pub seq: u64,
}
