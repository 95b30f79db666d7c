//! What the page knows, and how each action changes it: a pure function, so that it is tested without a browser.

mod conversation;
#[cfg(test)]
mod tests;
mod turn;

use std::sync::Arc;

use exoclaw_client::{CloseReason, Push, RequestError, State as Link};
use exoclaw_protocol::{
    ChatAbortResult, ChatSendResult, ErrorCode, SessionInfo, SessionListResult, SessionRef, SessionSubscribeResult,
    StatusResult,
};

pub(crate) use conversation::{Applied, Conversation, Phase};
pub(crate) use turn::{Part, Progress, Tool, ToolState, Turn};

/// What the page knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// The connection.
    pub(crate) link: Link,
    /// The first attempt to connect came to an end, whichever.
    pub(crate) tried: bool,
    /// The most recently used first.
    pub(crate) sessions: Vec<SessionInfo>,
    /// The session that is shown.
    pub(crate) open: SessionRef,
    /// What is said in it.
    pub(crate) conversation: Conversation,
    /// The daemon, once it has told of itself.
    pub(crate) daemon: Option<Arc<StatusResult>>,
    /// Something that failed and belongs to no message.
    pub(crate) notice: Option<String>,
}

/// Something happened, or somebody wants something.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// The client pushed.
    Pushed(Push),
    /// Show a session.
    Open(SessionRef),
    /// A session was read.
    Read { session: SessionRef, outcome: Result<SessionSubscribeResult, RequestError> },
    /// The sessions were listed.
    Listed(Result<SessionListResult, RequestError>),
    /// The daemon told of itself.
    Told(Result<StatusResult, RequestError>),
    /// Send a message to the session that is shown, under a key that was never used.
    Send { text: String, key: String },
    /// Send a message again that did not get there.
    SendAgain { key: String },
    /// A message got there, or not.
    Sent { key: String, outcome: Result<ChatSendResult, RequestError> },
    /// Stop what is under way in the session that is shown.
    Stop,
    /// It was stopped, or not.
    Stopped(Result<ChatAbortResult, RequestError>),
    /// The notice was read.
    Dismiss,
}

/// What the connection is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Read a session and watch it.
    Subscribe(SessionRef),
    /// List the sessions.
    List,
    /// Ask the daemon about itself.
    Status,
    /// Send a message.
    Send { session: SessionRef, text: String, key: String },
    /// Stop a session's runs.
    Abort(SessionRef),
}

impl State {
    /// A page that shows a session and knows nothing yet.
    pub(crate) fn new(open: SessionRef) -> Self {
        Self {
            link: Link::Connecting,
            tried: false,
            sessions: Vec::new(),
            open,
            conversation: Conversation::default(),
            daemon: None,
            notice: None,
        }
    }

    /// The daemon does not know this browser.
    pub(crate) fn is_logged_out(&self) -> bool {
        matches!(self.link, Link::Closed { reason: CloseReason::Unauthorized })
    }

    /// The session that is shown is this one.
    pub(crate) fn is_open(&self, session: &SessionInfo) -> bool {
        match (&self.conversation.session, &self.open) {
            (Some(key), _) | (None, SessionRef::Key(key)) => *key == session.session,
            (None, SessionRef::Name(_)) => false,
        }
    }

    /// Changes what the page knows; says what the connection has to do next.
    pub(crate) fn reduce(&mut self, action: Action) -> Vec<Command> {
        match action {
            Action::Pushed(push) => self.pushed(push),
            Action::Open(session) => {
                self.open = session;
                self.conversation = Conversation::default();
                self.notice = None;
                vec![self.subscribe()]
            }
            Action::Read { session, outcome } if session == self.open => self.read(outcome),
            // Another session was opened meanwhile.
            Action::Read { .. } => Vec::new(),
            Action::Listed(Ok(list)) => {
                self.sessions = list.sessions;
                Vec::new()
            }
            Action::Told(Ok(status)) => {
                self.daemon = Some(Arc::new(status));
                Vec::new()
            }
            Action::Send { text, key } => {
                self.conversation.send(text.clone(), key.clone());
                vec![Command::Send { session: self.target(), text, key }]
            }
            Action::SendAgain { key } => match self.conversation.send_again(&key) {
                Some(text) => vec![Command::Send { session: self.target(), text, key }],
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
            Action::Listed(Err(error)) => self.fail("The list of conversations could not be read", &error),
            Action::Told(Err(error)) => self.fail("The daemon could not be asked how it is", &error),
            Action::Stopped(Err(error)) => self.fail("It could not be stopped", &error),
            Action::Stopped(Ok(_)) => Vec::new(),
            Action::Dismiss => {
                self.notice = None;
                Vec::new()
            }
        }
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
                let ended = event.event.is_terminal();
                let mut commands = Vec::new();
                if self.conversation.apply(&event) == Applied::Missed {
                    commands.push(self.subscribe());
                }
                if ended {
                    commands.push(Command::List);
                }
                commands
            }
            Push::Snapshot(snapshot) if self.conversation.session.as_ref() == Some(&snapshot.session) => {
                if self.conversation.read(&snapshot) == Applied::Missed { vec![self.subscribe()] } else { Vec::new() }
            }
            // A gap is followed by the event or the snapshot that revealed it, and the event's number tells.
            Push::Snapshot(_) | Push::SeqGap { .. } => Vec::new(),
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
            }
            // A conversation begins with its first message.
            Err(RequestError::Rpc(error)) if error.code == ErrorCode::UnknownSession => {
                self.conversation.phase = Phase::Ready;
            }
            Err(error) => self.conversation.phase = Phase::Failed(error.to_string()),
        }
        Vec::new()
    }

    fn subscribe(&mut self) -> Command {
        self.conversation.phase = Phase::Loading;
        Command::Subscribe(self.open.clone())
    }

    /// The session that is shown, by its canonical name where that is known.
    fn target(&self) -> SessionRef {
        self.conversation.session.clone().map_or_else(|| self.open.clone(), SessionRef::Key)
    }

    fn fail(&mut self, what: &str, error: &RequestError) -> Vec<Command> {
        // A connection that is over shows as such.
        if !matches!(error, RequestError::Closed(_)) {
            self.notice = Some(format!("{what}: {error}."));
        }
        Vec::new()
    }
}
