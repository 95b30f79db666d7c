//! Finding what was said.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Role, RunId, SessionKey, SessionRef};

/// Parameters of `session.search`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionSearchParams {
    /// Words that are all to be there, up to [`limits::SEARCH_WORDS`](crate::limits::SEARCH_WORDS), in upper or lower case and
    /// with or without accents; the last one may be the start of a word.
    pub text: String,
    /// Only in sessions of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Only in these, up to [`limits::SEARCH_SESSIONS`](crate::limits::SEARCH_SESSIONS); in all where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionRef>,
    /// At most so many places, up to [`limits::SEARCH_HITS`](crate::limits::SEARCH_HITS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only what is older than the answer which gave this as its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// Result of `session.search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSearchResult {
    /// The newest first.
    pub hits: Vec<SearchHit>,
    /// There may be more: `before` of the question for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One place where the words are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The session.
    pub session: SessionKey,
    /// The id of its conversation, as `session.get` has it.
    pub id: String,
    /// The number of the message, as `chat.history` has it.
    pub seq: u64,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// When it was said, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who said it.
    pub role: Role,
    /// The part of it with the words, on one line: its parts in order.
    pub snippet: Vec<SnippetPart>,
}

/// Part of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnippetPart {
    /// What it says.
    pub text: String,
    /// It is one of the words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}
