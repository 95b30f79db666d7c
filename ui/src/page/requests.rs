//! What each command asks of the daemon.

use exoclaw_client::RequestError;
use exoclaw_protocol::{
    Block, ChatAbortParams, ChatHistoryParams, ChatSendParams, IdempotencyKey, Message, Method, SessionDeleteParams,
    SessionKey, SessionListParams, SessionPatchParams, SessionRef, SessionSubscribeParams, StatusParams,
};
use leptos::{prelude::*, task::spawn_local};

use super::{NOTES, Page};
use crate::{
    browser::storage,
    state::{Action, Attachment, Command},
};

/// Messages that are read at a time when the reader goes back.
const PAGE_MESSAGES: u32 = 100;

/// Bytes of them: reading back must not take longer than a blink.
const PAGE_BYTES: u32 = 256 * 1024;

impl Page {
    pub(super) fn run(self, command: Command) {
        match command {
            Command::Subscribe(session) => {
                let params = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
                self.request(params, move |outcome| Action::Read { session, outcome });
            }
            Command::Peek { session, before } => {
                let params = ChatHistoryParams {
                    before: Some(before),
                    limit: Some(1),
                    max_message_bytes: Some(0),
                    ..ChatHistoryParams::new(session.clone().into())
                };
                self.request(params, move |outcome| Action::Peeked {
                    session,
                    found: outcome.map(|page| !page.messages.is_empty()),
                });
            }
            Command::Earlier { session, before } => {
                spawn_local(async move {
                    let outcome = self.earlier(&session, before).await;
                    self.dispatch(Action::Earlier { session, outcome });
                });
            }
            Command::Attachments { session, seq } => {
                let params = ChatHistoryParams {
                    before: Some(seq + 1),
                    limit: Some(1),
                    attachments: true,
                    ..ChatHistoryParams::new(session.clone().into())
                };
                self.request(params, move |outcome| {
                    let outcome = outcome.map(|page| {
                        let found = page.messages.into_iter().find(|message| message.seq == seq);
                        let message = found.map(|message| Message { role: message.role, content: message.content });
                        message.map(|message| Attachment::of(&message)).unwrap_or_default()
                    });
                    Action::Attachments { session, seq, outcome }
                });
            }
            Command::List => self.request(SessionListParams::default(), Action::Listed),
            Command::Status => self.request(StatusParams {}, Action::Told),
            Command::Abort(session) => self.request(ChatAbortParams { session, run_id: None }, Action::Stopped),
            Command::Resolve(params) => {
                let id = params.id.clone();
                self.request(params, move |outcome| Action::Answered { id, outcome });
            }
            Command::Rename { session, label } => {
                let params = SessionPatchParams { label: Some(label), ..SessionPatchParams::new(session.into()) };
                self.request(params, |outcome| Action::Changed(outcome.map(drop)));
            }
            Command::Delete(session) => {
                let params = SessionDeleteParams { session: session.clone().into() };
                self.request(params, move |outcome| Action::Deleted { session, outcome });
            }
            Command::Send { session, text, attachments, key } => {
                let params = message(session, text, &attachments, &key);
                self.request(params, move |outcome| Action::Sent { key, outcome });
            }
            Command::KeepNotes => {
                let notes = self.state.with_untracked(|state| state.sessions.notes());
                if storage::kept(NOTES).as_ref() != Some(&notes) {
                    storage::keep(NOTES, &notes);
                }
            }
        }
    }

    fn request<M: Method + 'static>(
        self,
        params: M,
        then: impl FnOnce(Result<M::Output, RequestError>) -> Action + 'static,
    ) {
        spawn_local(async move {
            let outcome = self.ask(params).await;
            self.dispatch(then(outcome));
        });
    }

    /// A page of messages before a number, and whether there are more before it.
    async fn earlier(
        self,
        session: &SessionKey,
        before: u64,
    ) -> Result<(Vec<exoclaw_protocol::HistoryMessage>, bool), RequestError> {
        let params = ChatHistoryParams {
            before: Some(before),
            limit: Some(PAGE_MESSAGES),
            max_bytes: Some(PAGE_BYTES),
            ..ChatHistoryParams::new(session.clone().into())
        };
        let messages = self.ask(params).await?.messages;
        let Some(first) = messages.first() else { return Ok((messages, false)) };
        let peek = ChatHistoryParams {
            before: Some(first.seq),
            limit: Some(1),
            max_message_bytes: Some(0),
            ..ChatHistoryParams::new(session.clone().into())
        };
        let more = !self.ask(peek).await?.messages.is_empty();
        Ok((messages, more))
    }
}

fn message(session: SessionRef, text: String, attachments: &[Attachment], key: &str) -> ChatSendParams {
    // Keys are made by `browser::random_key`, which makes valid ones.
    let idempotency_key = key.parse::<IdempotencyKey>().ok();
    if attachments.is_empty() {
        return ChatSendParams { idempotency_key, ..ChatSendParams::text(session, text) };
    }
    let blocks = attachments.iter().filter_map(Attachment::block);
    let text = (!text.is_empty()).then(|| Block::text(text));
    let content = Some(blocks.chain(text).collect());
    ChatSendParams { session: Some(session), content, idempotency_key, ..ChatSendParams::default() }
}
