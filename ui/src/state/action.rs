//! What happens to the page, and what it asks the connection to do.

use exoclaw_client::{Push, RequestError};
use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalResolveParams, ApprovalResolveResult, ChatAbortResult, ChatSendResult,
    HistoryMessage, SessionDeleteResult, SessionKey, SessionListResult, SessionRef, SessionSubscribeResult,
    StatusResult, Verdict,
};

use super::Attachment;

type Outcome<T> = Result<T, RequestError>;

/// Something happened, or somebody wants something.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// The client pushed.
    Pushed(Push),
    /// Show a session.
    Open(SessionRef),
    /// A session was read.
    Read { session: SessionRef, outcome: Outcome<SessionSubscribeResult> },
    /// There are messages before those that are shown, or not.
    Peeked { session: SessionKey, found: Outcome<bool> },
    /// Show messages before those that are shown.
    ReadEarlier,
    /// They were read; there are more before them, or not.
    Earlier { session: SessionKey, outcome: Outcome<(Vec<HistoryMessage>, bool)> },
    /// Show what came with the question of that number.
    ShowAttachments { seq: u64 },
    /// It was read.
    Attachments { session: SessionKey, seq: u64, outcome: Outcome<Vec<Attachment>> },
    /// The sessions were listed.
    Listed(Outcome<SessionListResult>),
    /// The daemon told of itself.
    Told(Outcome<StatusResult>),
    /// Send a message to the session that is shown, under a key that was never used.
    Send { text: String, attachments: Vec<Attachment>, key: String },
    /// Send a message again that did not get there.
    SendAgain { key: String },
    /// A message got there, or not.
    Sent { key: String, outcome: Outcome<ChatSendResult> },
    /// Stop what is under way in the session that is shown.
    Stop,
    /// It was stopped, or not.
    Stopped(Outcome<ChatAbortResult>),
    /// Allow or deny a call that waits.
    Answer { approval: Box<Approval>, verdict: Verdict },
    /// It was answered, or not.
    Answered { id: ApprovalId, outcome: Outcome<ApprovalResolveResult> },
    /// Pin a session, or take its pin away.
    Pin(SessionKey),
    /// Name a session; without a name, its first message does.
    Rename { session: SessionKey, label: Option<String> },
    /// A session was changed, or not.
    Changed(Outcome<()>),
    /// Delete a session.
    Delete(SessionKey),
    /// It was deleted, or not.
    Deleted { session: SessionKey, outcome: Outcome<SessionDeleteResult> },
    /// Somebody looks at the page again, or away from it.
    Looked(bool),
    /// The browser has kept this of sessions, perhaps from another tab.
    Noted(String),
    /// The notice was read.
    Dismiss,
}

/// What the connection, or the browser, is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Read a session and watch it.
    Subscribe(SessionRef),
    /// Ask whether there are messages before a number.
    Peek { session: SessionKey, before: u64 },
    /// Read messages before a number.
    Earlier { session: SessionKey, before: u64 },
    /// Read what came with a question.
    Attachments { session: SessionKey, seq: u64 },
    /// List the sessions.
    List,
    /// Ask the daemon about itself.
    Status,
    /// Send a message.
    Send { session: SessionRef, text: String, attachments: Vec<Attachment>, key: String },
    /// Stop a session's runs.
    Abort(SessionRef),
    /// Answer a call that waits.
    Resolve(ApprovalResolveParams),
    /// Name a session.
    Rename { session: SessionKey, label: Option<String> },
    /// Delete a session.
    Delete(SessionKey),
    /// Keep what this browser notes of sessions.
    KeepNotes,
}

/// Something that failed and belongs to no message, with the reason for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    List(String),
    Status(String),
    Stop(String),
    Change(String),
    Earlier(String),
}
