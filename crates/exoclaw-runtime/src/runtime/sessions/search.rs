//! Finding what was said.

use std::collections::HashMap;

use exoclaw_protocol::{
    ErrorCode, Role, RpcError, SearchHit, SessionKey, SessionSearchParams, SessionSearchResult, limits,
};
use exoclaw_store::{Hit, ReadError, Record, Search};

use super::{Inner, Runtime, conversation_id};
use crate::journal::read_refusal;

/// Places of one answer where nobody says how many.
const HITS: u32 = 20;

impl Runtime {
    /// Answers `session.search`: the places, the newest first, whose text has all words.
    ///
    /// # Errors
    /// `invalid_params` without a word, with too many, or where they are in too much of what was said; `too_large` for a text or a
    /// list of sessions beyond its bound; when a session names an unknown agent, or the store can't be read.
    pub async fn search(&self, params: SessionSearchParams) -> Result<SessionSearchResult, RpcError> {
        let SessionSearchParams { text, agent, sessions, limit, before } = params;
        check(&text)?;
        if sessions.len() > limits::SEARCH_SESSIONS {
            let text = format!("too many sessions: {} at most", limits::SEARCH_SESSIONS);
            return Err(RpcError::new(ErrorCode::TooLarge, text));
        }
        let sessions: Result<_, _> = sessions.iter().map(|session| self.inner.resolve(session)).collect();
        let limit = limit.unwrap_or(HITS).clamp(1, limits::SEARCH_HITS);
        let search = Search { text, agent, sessions: sessions?, limit, before };
        let found = self.inner.store.search(search).await.map_err(|error| match error {
            ReadError::TooLong => RpcError::invalid_params(error.to_string()),
            error => read_refusal(&error),
        })?;
        let (mut hits, mut ids) = (Vec::new(), HashMap::new());
        for hit in found.hits {
            if let Some(id) = self.inner.conversation_of(&hit.session, &mut ids).await? {
                hits.extend(told(hit, id));
            }
        }
        Ok(SessionSearchResult { hits, next: found.next })
    }
}

impl Inner {
    /// The id of a session's conversation; none of one that is gone meanwhile.
    async fn conversation_of(
        &self,
        session: &SessionKey,
        known: &mut HashMap<SessionKey, Option<String>>,
    ) -> Result<Option<String>, RpcError> {
        if let Some(id) = known.get(session) {
            return Ok(id.clone());
        }
        let summary = self.store.session(session).await.map_err(|error| read_refusal(&error))?;
        let id = summary.as_ref().map(conversation_id);
        known.insert(session.clone(), id.clone());
        Ok(id)
    }
}

fn check(text: &str) -> Result<(), RpcError> {
    if text.len() > limits::SEARCH_BYTES {
        let text = format!("the words are {} bytes; {} at most", text.len(), limits::SEARCH_BYTES);
        return Err(RpcError::new(ErrorCode::TooLarge, text));
    }
    match text.split_whitespace().count() {
        0 => Err(RpcError::invalid_params("there is no word to look for")),
        words if words > limits::SEARCH_WORDS => {
            Err(RpcError::invalid_params(format!("{words} words; {} at most", limits::SEARCH_WORDS)))
        }
        _ => Ok(()),
    }
}

fn told(Hit { session, entry, snippet }: Hit, id: String) -> Option<SearchHit> {
    let role = match &entry.record {
        Record::Accepted { message, .. } | Record::Noted { message, .. } => message.role,
        Record::Step { .. } | Record::RunEnded { .. } => Role::Assistant,
        _ => return None,
    };
    let run_id = entry.record.run_id().cloned();
    Some(SearchHit { session, id, seq: entry.seq, run_id, at_ms: entry.at_ms, role, snippet })
}
