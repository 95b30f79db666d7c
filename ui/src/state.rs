//! What the page knows, and how each action changes it: a pure function, so that it is tested without a browser.

mod action;
mod attachment;
mod conversation;
mod sessions;
#[cfg(test)]
mod tests;
mod tool;
mod turn;

use std::{collections::VecDeque, sync::Arc};

use exoclaw_client::{CloseReason, Push, RequestError, State as Link};
use exoclaw_protocol::{
    ApprovalResolveParams, ErrorCode, Event, FailureKind, Metering, SessionInfo, SessionKey, SessionRef,
    SessionSubscribeResult, StatusResult, ToolOutput,
};

pub(crate) use action::{Action, Command, Notice};
pub(crate) use attachment::{Attachment, fits};
pub(crate) use conversation::{Applied, Conversation, Earlier, Phase};
pub(crate) use sessions::Sessions;
pub(crate) use tool::{Tool, ToolState, pretty, readable};
pub(crate) use turn::{Part, Progress, Turn};

/// Ended calls of tools that the page remembers; the oldest go.
const CALLS: usize = 100;

/// What the page knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// The connection.
    pub(crate) link: Link,
    /// The first attempt to connect came to an end, whichever.
    pub(crate) tried: bool,
    /// All sessions.
    pub(crate) sessions: Sessions,
    /// The session that is shown.
    pub(crate) open: SessionRef,
    /// What is said in it.
    pub(crate) conversation: Conversation,
    /// The daemon, once it has told of itself.
    pub(crate) daemon: Option<Arc<StatusResult>>,
    /// Something that failed and belongs to no message.
    pub(crate) notice: Option<Notice>,
    /// Somebody may see the page.
    pub(crate) visible: bool,
    /// The session that was shown before: what it said until then was seen, though it may be listed later.
    left: Option<SessionKey>,
    /// Calls of tools that ended while the page watched, the newest first.
    pub(crate) calls: VecDeque<EndedCall>,
}

/// A call of a tool that ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndedCall {
    /// `plugin.tool`.
    pub(crate) tool: String,
    pub(crate) session: SessionKey,
    /// Why it gave no output of its own, if it did not; `None` within for tools that said so themselves.
    pub(crate) failed: Option<Option<FailureKind>>,
    pub(crate) metering: Metering,
}

impl State {
    /// A page that shows a session and knows nothing yet.
    pub(crate) fn new(open: SessionRef) -> Self {
        Self {
            link: Link::Connecting,
            tried: false,
            sessions: Sessions::default(),
            open,
            conversation: Conversation::default(),
            daemon: None,
            notice: None,
            visible: true,
            left: None,
            calls: VecDeque::new(),
        }
    }

    /// The daemon does not know this browser.
    pub(crate) fn is_logged_out(&self) -> bool {
        matches!(self.link, Link::Closed { reason: CloseReason::Unauthorized })
    }

    /// The session that is shown is this one.
    pub(crate) fn is_open(&self, session: &SessionInfo) -> bool {
        self.open_key() == Some(&session.session)
    }

    /// The canonical name of the session that is shown, where that is known.
    pub(crate) fn open_key(&self) -> Option<&SessionKey> {
        match (&self.conversation.session, &self.open) {
            (Some(key), _) | (None, SessionRef::Key(key)) => Some(key),
            (None, SessionRef::Name(_)) => None,
        }
    }

    /// Changes what the page knows; says what the connection has to do next.
    pub(crate) fn reduce(&mut self, action: Action) -> Vec<Command> {
        match action {
            Action::Pushed(push) => self.pushed(push),
            Action::Open(session) => self.show(session),
            Action::Read { session, outcome } if session == self.open => self.read(outcome),
            Action::Peeked { session, found } if Some(&session) == self.conversation.session.as_ref() => {
                if self.conversation.earlier == Earlier::None && found == Ok(true) {
                    self.conversation.earlier = Earlier::Some;
                }
                Vec::new()
            }
            Action::ReadEarlier => self.read_earlier(),
            Action::Earlier { session, outcome } if Some(&session) == self.conversation.session.as_ref() => {
                match outcome {
                    Ok((messages, more)) => self.conversation.read_earlier(&messages, more),
                    Err(error) => {
                        self.conversation.earlier = Earlier::Some;
                        return self.fail(Notice::Earlier, &error);
                    }
                }
                Vec::new()
            }
            Action::ShowAttachments { seq } => match &self.conversation.session {
                Some(session) => vec![Command::Attachments { session: session.clone(), seq }],
                None => Vec::new(),
            },
            Action::Attachments { session, seq, outcome } if Some(&session) == self.conversation.session.as_ref() => {
                match outcome {
                    Ok(attachments) => self.conversation.show_attachments(seq, attachments),
                    Err(error) => return self.fail(Notice::Earlier, &error),
                }
                Vec::new()
            }
            // Another session was opened meanwhile.
            Action::Read { .. } | Action::Peeked { .. } | Action::Earlier { .. } | Action::Attachments { .. } => {
                Vec::new()
            }
            Action::Listed(Ok(list)) => {
                let looked_at = self.open_key().filter(|_| self.visible).cloned();
                self.sessions.listed(list.sessions, looked_at.as_ref());
                if let Some(left) = self.left.take() {
                    self.sessions.read(&left);
                }
                vec![Command::KeepNotes]
            }
            Action::Told(Ok(status)) => {
                self.daemon = Some(Arc::new(status));
                Vec::new()
            }
            Action::Send { text, attachments, key } => {
                self.conversation.send(text.clone(), attachments.clone(), key.clone());
                vec![Command::Send { session: self.target(), text, attachments, key }]
            }
            Action::SendAgain { key } => match self.conversation.send_again(&key) {
                Some((text, attachments)) => vec![Command::Send { session: self.target(), text, attachments, key }],
                None => Vec::new(),
            },
            Action::Sent { key, outcome: Ok(sent) } => {
                self.conversation.sent(&key, &sent);
                vec![Command::List]
            }
            Action::Sent { key, outcome: Err(error) } => {
                self.conversation.not_sent(&key, error.to_string());
                Vec::new()
            }
            Action::Stop => vec![Command::Abort(self.target())],
            Action::Answer { approval, verdict } => {
                self.conversation.answer(&approval.id, true);
                vec![Command::Resolve(ApprovalResolveParams::new(&approval, verdict))]
            }
            Action::Answered { id, outcome: Err(error) } => {
                self.conversation.answer(&id, false);
                self.fail(Notice::Change, &error)
            }
            Action::Pin(session) => {
                self.sessions.pin(session);
                vec![Command::KeepNotes]
            }
            Action::Rename { session, label } => vec![Command::Rename { session, label }],
            Action::Delete(session) => vec![Command::Delete(session)],
            Action::Deleted { session, outcome: Ok(_) } => {
                self.sessions.forget(&session);
                let mut commands = vec![Command::KeepNotes, Command::List];
                if self.open_key() == Some(&session) {
                    commands.extend(self.show(session.into()));
                }
                commands
            }
            Action::Changed(Ok(())) => vec![Command::List],
            Action::Looked(visible) => self.looked(visible),
            Action::Noted(notes) => {
                self.sessions.remember(&notes);
                Vec::new()
            }
            Action::Listed(Err(error)) => self.fail(Notice::List, &error),
            Action::Told(Err(error)) => self.fail(Notice::Status, &error),
            Action::Stopped(Err(error)) => self.fail(Notice::Stop, &error),
            Action::Changed(Err(error)) | Action::Deleted { outcome: Err(error), .. } => {
                self.fail(Notice::Change, &error)
            }
            Action::Stopped(Ok(_)) | Action::Answered { outcome: Ok(_), .. } => Vec::new(),
            Action::Dismiss => {
                self.notice = None;
                self.conversation.missed = false;
                Vec::new()
            }
        }
    }

    fn show(&mut self, session: SessionRef) -> Vec<Command> {
        // One that is still answering will have news.
        self.left = self.open_key().filter(|_| self.visible && !self.conversation.is_busy()).cloned();
        self.open = session;
        self.conversation = Conversation::default();
        self.notice = None;
        let mut commands = vec![self.subscribe(), Command::List];
        commands.extend(self.mark_read());
        commands
    }

    /// The session that is shown was read as far as it is listed.
    fn mark_read(&mut self) -> Option<Command> {
        let session = self.open_key().filter(|_| self.visible).cloned()?;
        self.sessions.read(&session).then_some(Command::KeepNotes)
    }

    fn looked(&mut self, visible: bool) -> Vec<Command> {
        self.visible = visible;
        self.conversation.look(visible);
        if !visible {
            return Vec::new();
        }
        let mut commands: Vec<Command> = self.mark_read().into_iter().collect();
        commands.push(Command::List);
        commands
    }

    fn pushed(&mut self, push: Push) -> Vec<Command> {
        match push {
            Push::State(link) => {
                let opened = link == Link::Open && self.link != Link::Open;
                self.tried |= link != Link::Connecting;
                self.link = link;
                if opened {
                    // The daemon may be another one than before, with other sessions.
                    let mut commands = vec![Command::Status, Command::List];
                    if matches!(self.conversation.phase, Phase::Failed(_)) {
                        commands.push(self.subscribe());
                    }
                    return commands;
                }
                Vec::new()
            }
            Push::Event(event) => {
                if let Event::ToolFinished { tool, output, metering, .. } = &event.event {
                    self.calls.truncate(CALLS - 1);
                    self.calls.push_front(ended(tool, &event.session, output, *metering));
                }
                let mut commands = Vec::new();
                if self.conversation.apply(&event) == Applied::Missed {
                    commands.push(self.subscribe());
                }
                if event.event.is_terminal() {
                    commands.push(Command::List);
                }
                commands
            }
            Push::Snapshot(snapshot) if self.conversation.session.as_ref() == Some(&snapshot.session) => {
                let applied = self.conversation.read(&snapshot);
                if applied == Applied::Missed { vec![self.subscribe()] } else { self.peek() }
            }
            // It is followed by the event or the snapshot that revealed it, and the event's number tells.
            Push::SeqGap { session, .. } => {
                if self.conversation.session.as_ref() == Some(&session) {
                    self.conversation.gap();
                }
                Vec::new()
            }
            Push::Snapshot(_) => Vec::new(),
            Push::Lost { session, .. } if self.conversation.session.as_ref() == Some(&session) => {
                vec![self.subscribe()]
            }
            Push::Lagged => vec![self.subscribe(), Command::List],
            // Sessions that are not shown are read when they are.
            _ => Vec::new(),
        }
    }

    fn read(&mut self, outcome: Result<SessionSubscribeResult, RequestError>) -> Vec<Command> {
        match outcome {
            Ok(result) => {
                if self.conversation.read(&result) == Applied::Missed {
                    return vec![self.subscribe()];
                }
                return self.mark_read().into_iter().chain(self.peek()).collect();
            }
            // A conversation begins with its first message.
            Err(RequestError::Rpc(error)) if error.code == ErrorCode::UnknownSession => {
                self.conversation.phase = Phase::Ready;
            }
            Err(error) => self.conversation.phase = Phase::Failed(error.to_string()),
        }
        Vec::new()
    }

    /// Asks whether there are messages before the first one that is here.
    fn peek(&self) -> Vec<Command> {
        let (Some(session), Some(before)) = (&self.conversation.session, self.conversation.before()) else {
            return Vec::new();
        };
        vec![Command::Peek { session: session.clone(), before }]
    }

    fn read_earlier(&mut self) -> Vec<Command> {
        let (Some(session), Some(before)) = (self.conversation.session.clone(), self.conversation.before()) else {
            return Vec::new();
        };
        if self.conversation.earlier != Earlier::Some {
            return Vec::new();
        }
        self.conversation.earlier = Earlier::Loading;
        vec![Command::Earlier { session, before }]
    }

    fn subscribe(&mut self) -> Command {
        self.conversation.phase = Phase::Loading;
        Command::Subscribe(self.open.clone())
    }

    /// The session that is shown, by its canonical name where that is known.
    fn target(&self) -> SessionRef {
        self.conversation.session.clone().map_or_else(|| self.open.clone(), SessionRef::Key)
    }

    fn fail(&mut self, what: fn(String) -> Notice, error: &RequestError) -> Vec<Command> {
        // A connection that is over shows as such.
        if !matches!(error, RequestError::Closed(_)) {
            self.notice = Some(what(error.to_string()));
        }
        Vec::new()
    }
}

fn ended(tool: &str, session: &SessionKey, output: &ToolOutput, metering: Metering) -> EndedCall {
    let failed = output.is_error.then_some(output.failure);
    EndedCall { tool: tool.to_owned(), session: session.clone(), failed, metering }
}
