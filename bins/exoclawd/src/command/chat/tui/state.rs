//! What the screen knows, and how each action changes it: a pure function, so that it is tested without a terminal.

pub(super) mod composer;
pub(super) mod conversation;
mod keys;
#[cfg(test)]
mod tests;
pub(super) mod turn;

use std::collections::HashMap;

use crossterm::event::KeyEvent;
use exoclaw_client::{Push, RequestError, State as Link};
use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalResolveResult, ChatAbortResult, ChatSendResult, Decision, ErrorCode, Event,
    SessionInfo, SessionKey, SessionListResult, SessionRef, SessionSubscribeResult, Verdict,
};

use self::{
    composer::Composer,
    conversation::{Applied, Conversation, Phase},
};

/// What the screen knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// The connection.
    pub(crate) link: Link,
    /// How a break of the connection ended, until something is sent.
    pub(crate) broke: Option<Break>,
    /// The most recently used first.
    pub(crate) sessions: Vec<SessionInfo>,
    /// What happened in sessions that are not shown.
    pub(crate) marks: HashMap<SessionKey, Mark>,
    /// The session that is shown.
    pub(crate) open: SessionRef,
    pub(crate) conversation: Conversation,
    pub(crate) composer: Composer,
    /// The list of sessions has the keys: which of them is chosen.
    pub(crate) chosen: Option<usize>,
    /// The first line that is shown; `None` follows the end.
    pub(crate) top: Option<usize>,
    /// Lines of the question that were passed.
    pub(crate) question_top: usize,
    /// Calls are shown with everything about them.
    pub(crate) details: bool,
    pub(crate) help: bool,
    /// Something to be said once.
    pub(crate) notice: Option<String>,
    /// What was drawn last: written by whoever draws.
    pub(crate) drawn: Drawn,
    /// Milliseconds since 1970, written with each action.
    pub(crate) now_ms: u64,
    /// Makes keys and names that no other screen makes.
    seed: String,
    keys_made: u64,
}

/// How a break of the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// It lasts.
    Lasts,
    /// The conversation went on where it was.
    Resumed,
    /// Something was missed, and the conversation was read again.
    Read,
}

/// What happened in a session that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// A run ended.
    Unread,
    /// A call waits to be allowed.
    Asks,
}

/// Where things are on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Lines of the conversation in all, and those that are seen at once.
    pub(crate) lines: usize,
    pub(crate) height: usize,
    /// The question that stands there, and its lines that are not seen yet.
    pub(crate) question: Option<(ApprovalId, usize)>,
}

/// Something happened, or somebody wants something.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The client pushed.
    Pushed(Push),
    /// Send a message to the session that is shown.
    Send(String),
    /// A session was read.
    Read {
        session: SessionRef,
        outcome: Result<SessionSubscribeResult, RequestError>,
    },
    Listed(Result<SessionListResult, RequestError>),
    Sent {
        key: String,
        outcome: Result<ChatSendResult, RequestError>,
    },
    Stopped(Result<ChatAbortResult, RequestError>),
    Resolved(Result<ApprovalResolveResult, RequestError>),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Read a session and watch it.
    Subscribe(SessionRef),
    List,
    Send {
        session: SessionRef,
        text: String,
        key: String,
    },
    Abort(SessionRef),
    Resolve(Box<Approval>, Verdict),
    /// Draw all of it again: something else wrote on the screen.
    Redraw,
    Quit,
}

impl State {
    /// A screen that shows a session and knows nothing yet. No two have the same seed.
    pub(crate) fn new(open: SessionRef, seed: String) -> Self {
        Self {
            link: Link::Connecting,
            broke: None,
            sessions: Vec::new(),
            marks: HashMap::new(),
            open,
            conversation: Conversation::default(),
            composer: Composer::default(),
            chosen: None,
            top: None,
            question_top: 0,
            details: false,
            help: false,
            notice: None,
            drawn: Drawn::default(),
            now_ms: 0,
            seed,
            keys_made: 0,
        }
    }

    /// What to do first.
    pub(crate) fn start(&mut self) -> Vec<Command> {
        vec![self.subscribe(), Command::List]
    }

    /// Changes what the screen knows; says what is to be done.
    pub(crate) fn reduce(&mut self, action: Action, now_ms: u64) -> Vec<Command> {
        self.now_ms = now_ms;
        match action {
            Action::Key(key) => self.key(key),
            Action::Paste(text) => {
                self.type_in(&text);
                Vec::new()
            }
            Action::Pushed(push) => self.pushed(push),
            Action::Send(text) => self.send(text),
            Action::Read { session, outcome } if session == self.open => self.read(outcome),
            // Another session was opened meanwhile.
            Action::Read { .. } => Vec::new(),
            Action::Listed(Ok(list)) => {
                self.sessions = list.sessions;
                self.chosen = self.chosen.map(|at| at.min(self.sessions.len().saturating_sub(1)));
                Vec::new()
            }
            Action::Sent { key, outcome: Ok(sent) } => {
                self.conversation.sent(&key, &sent);
                vec![Command::List]
            }
            Action::Sent { key, outcome: Err(error) } => {
                self.conversation.not_sent(&key, error.to_string());
                Vec::new()
            }
            Action::Stopped(Ok(_)) => Vec::new(),
            Action::Resolved(Ok(resolved)) => self.say(match resolved.decision {
                Decision::Allowed => "allowed, this once",
                Decision::Denied => "denied",
                Decision::Expired => "too late: the question has expired",
            }),
            Action::Listed(Err(error)) => self.say(format!("the list of conversations could not be read: {error}")),
            Action::Stopped(Err(error)) => self.say(format!("not stopped: {error}")),
            Action::Resolved(Err(error)) => self.say(format!("not answered: {error}")),
        }
    }

    /// The session that is shown, by its canonical name where that is known.
    pub(crate) fn target(&self) -> SessionRef {
        self.conversation.session.clone().map_or_else(|| self.open.clone(), SessionRef::Key)
    }

    /// The call that is asked for.
    pub(crate) fn question(&self) -> Option<&Approval> {
        self.conversation.questions.front()
    }

    fn pushed(&mut self, push: Push) -> Vec<Command> {
        match push {
            Push::State(link) => {
                self.link = link;
                match &self.link {
                    Link::Waiting { .. } => self.broke = Some(Break::Lasts),
                    Link::Open if self.broke == Some(Break::Lasts) => self.broke = Some(Break::Resumed),
                    _ => {}
                }
                if self.link != Link::Open {
                    return Vec::new();
                }
                // The daemon may be another one than before, with other sessions.
                let mut commands = vec![Command::List];
                if matches!(self.conversation.phase, Phase::Failed(_)) {
                    commands.push(self.subscribe());
                }
                commands
            }
            Push::Event(event) if self.is_shown(&event.session) => {
                let mut commands = Vec::new();
                let before = self.question().map(|question| question.id.clone());
                if self.conversation.apply(&event, self.now_ms) == Applied::Missed {
                    commands.push(self.subscribe());
                }
                if self.question().map(|question| &question.id) != before.as_ref() {
                    self.question_top = 0;
                }
                if event.event.is_terminal() {
                    commands.push(Command::List);
                }
                commands
            }
            Push::Event(event) => {
                let mark = match &event.event {
                    Event::ApprovalRequested { .. } => Mark::Asks,
                    other if other.is_terminal() => Mark::Unread,
                    _ => return Vec::new(),
                };
                // As many as there are sessions that the client watches, which are bounded.
                self.marks.insert(event.session.clone(), mark);
                vec![Command::List]
            }
            Push::Snapshot(snapshot) if self.conversation.session.as_ref() == Some(&snapshot.session) => {
                self.question_top = 0;
                self.broke = self.broke.map(|_| Break::Read);
                if self.conversation.read(&snapshot) == Applied::Missed { vec![self.subscribe()] } else { Vec::new() }
            }
            Push::Lost { session, .. } if self.conversation.session.as_ref() == Some(&session) => {
                vec![self.subscribe()]
            }
            Push::Lagged => vec![self.subscribe(), Command::List],
            // A gap is followed by the event or the snapshot that revealed it; other sessions are read when they are shown.
            _ => Vec::new(),
        }
    }

    /// Before it was read, the daemon has not named the session that is shown: its events are kept until then.
    fn is_shown(&self, session: &SessionKey) -> bool {
        self.conversation.session.as_ref().is_none_or(|shown| shown == session)
    }

    fn read(&mut self, outcome: Result<SessionSubscribeResult, RequestError>) -> Vec<Command> {
        match outcome {
            Ok(result) => {
                self.marks.remove(&result.session);
                self.question_top = 0;
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
        Command::Subscribe(self.target())
    }

    fn open(&mut self, session: SessionRef) -> Vec<Command> {
        self.open = session;
        self.conversation = Conversation::default();
        (self.top, self.chosen, self.question_top, self.broke) = (None, None, 0, None);
        vec![self.subscribe()]
    }

    fn open_new(&mut self) -> Vec<Command> {
        let name = format!("chat-{}", self.make_key());
        self.open(SessionRef::Name(name))
    }

    fn send(&mut self, text: String) -> Vec<Command> {
        let key = self.make_key();
        (self.top, self.broke) = (None, None);
        self.conversation.send(text.clone(), key.clone(), self.now_ms);
        vec![Command::Send { session: self.target(), text, key }]
    }

    fn make_key(&mut self) -> String {
        self.keys_made += 1;
        format!("{}-{}", self.seed, self.keys_made)
    }

    fn type_in(&mut self, text: &str) {
        if !self.composer.insert(text) {
            self.say("that is more than fits into one message");
        }
    }

    fn say(&mut self, notice: impl Into<String>) -> Vec<Command> {
        self.notice = Some(notice.into());
        Vec::new()
    }
}
