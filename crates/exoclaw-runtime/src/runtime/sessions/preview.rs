//! The newest texts of sessions, in short.

use exoclaw_protocol::{
    ErrorCode, HistoryMessage, Message, PreviewText, RpcError, SessionPreview, SessionPreviewParams,
    SessionPreviewResult, SessionRef, limits,
};

use super::{Inner, Runtime};
use crate::{
    history::{self, Wanted},
    journal::read_refusal,
};

/// Texts of one preview where nobody says how many, and characters of each.
const TEXTS: u32 = 12;
const CHARS: u32 = 240;

/// Messages that are looked through for one text: the others are calls of tools and what those gave back.
const MESSAGES_PER_TEXT: usize = 8;

/// Bytes of a history that are looked through.
const BYTES: usize = 256 * 1024;

impl Runtime {
    /// Answers `session.preview`.
    ///
    /// # Errors
    /// `too_large` for too many sessions; when one names an unknown agent, or can't be read.
    pub async fn preview_sessions(&self, params: SessionPreviewParams) -> Result<SessionPreviewResult, RpcError> {
        if params.sessions.len() > limits::PREVIEWS {
            let text = format!("too many sessions: {} at most", limits::PREVIEWS);
            return Err(RpcError::new(ErrorCode::TooLarge, text));
        }
        let texts = params.limit.unwrap_or(TEXTS).min(limits::PREVIEW_TEXTS) as usize;
        let chars = params.max_chars.unwrap_or(CHARS).min(limits::PREVIEW_CHARS) as usize;
        let mut previews = Vec::new();
        for session in &params.sessions {
            previews.push(self.inner.preview(session, texts, chars).await?);
        }
        Ok(SessionPreviewResult { previews })
    }
}

impl Inner {
    async fn preview(&self, session: &SessionRef, texts: usize, chars: usize) -> Result<SessionPreview, RpcError> {
        let session = self.resolve(session)?;
        let found = self.store.session(&session).await.map_err(|error| read_refusal(&error))?;
        let Some(summary) = found else { return Ok(SessionPreview { session, found: false, texts: Vec::new() }) };
        let wanted = Wanted {
            first_seq: summary.conversation.first_seq,
            summary_seq: 0,
            before: None,
            limit: texts * MESSAGES_PER_TEXT,
            max_bytes: BYTES,
            max_message_bytes: usize::MAX,
            attachments: false,
        };
        let messages = history::load(&*self.store, &session, wanted).await.map_err(|error| read_refusal(&error))?;
        let said = |message: HistoryMessage| {
            let text = Message { role: message.role, content: message.content }.text();
            let text: String = text.trim().chars().take(chars).collect();
            (!text.is_empty()).then_some(PreviewText { role: message.role, text })
        };
        let mut said: Vec<_> = messages.into_iter().filter_map(said).collect();
        let texts = said.split_off(said.len().saturating_sub(texts));
        Ok(SessionPreview { session, found: true, texts })
    }
}
