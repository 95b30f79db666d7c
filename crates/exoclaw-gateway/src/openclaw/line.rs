//! What one connection is and knows, shared by its answers and its events.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{
    AgentId, ApprovalId, RunId, SessionKey, SessionRef, limits,
    openclaw::{Code, ErrorShape, OperatorScope, Version},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{handshake::Connected, presence::Present};
use crate::http::Door;

/// Runs of which a connection knows by which name it started them. Those before are told by our own.
const RUNS: usize = 1_024;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) version: Version,
    /// What it may do.
    pub(super) scopes: Vec<OperatorScope>,
    /// It wants to be told of tool calls.
    pub(super) tool_events: bool,
    pub(super) presence: Arc<super::Presence>,
    pub(super) door: Arc<Door>,
    names: Mutex<Names>,
    _present: Present,
}

#[derive(Debug, Default)]
struct Names {
    /// Sessions as the client named them last.
    sessions: HashMap<SessionKey, String>,
    /// Those whose messages are told as they are kept. Each is followed, too: no more than are, and are about to be.
    messages: HashSet<SessionKey>,
    runs: HashMap<RunId, Run>,
    order: VecDeque<RunId>,
    /// Requests that are answered once more when these are decided, and with what. No more than wait in all.
    approvals: HashMap<ApprovalId, (String, Value)>,
}

/// A run as its client knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// The name that the client gave it.
    pub(super) id: String,
    pub(super) session: Option<SessionKey>,
    /// What was said before its events were followed.
    pub(super) text: String,
    /// The requests that are answered when it ends.
    pub(super) answers: Vec<String>,
}

impl Line {
    pub(super) fn new(connected: &Connected, door: &Arc<Door>) -> Self {
        let presence = Arc::clone(&door.presence);
        Self {
            version: connected.version,
            scopes: connected.scopes.clone(),
            tool_events: connected.tool_events,
            names: Mutex::default(),
            _present: presence.enter(connected.presence.clone()),
            presence,
            door: Arc::clone(door),
        }
    }

    /// The connection may do what asks for this.
    pub(super) fn may(&self, needed: OperatorScope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }

    /// The session that a client means: a bare name is one of the agent's, or of the default agent's.
    pub(super) fn session(&self, name: &str, agent: Option<&str>) -> Result<SessionRef, ErrorShape> {
        let invalid = |error: &dyn std::fmt::Display| ErrorShape::new(Code::InvalidRequest, error.to_string());
        let named: SessionRef = name.parse().map_err(|error| invalid(&error))?;
        match (&named, agent) {
            (SessionRef::Name(_), Some(agent)) => {
                let agent: AgentId = agent.parse().map_err(|error| invalid(&error))?;
                named.resolve(&agent).map(SessionRef::Key).map_err(|error| invalid(&error))
            }
            _ => Ok(named),
        }
    }

    /// The client calls this session so.
    pub(super) fn call_session(&self, session: &SessionKey, name: &str) {
        let mut names = self.lock();
        if names.sessions.len() >= limits::SUBSCRIPTIONS {
            names.sessions.clear();
        }
        names.sessions.insert(session.clone(), name.to_owned());
    }

    /// The session as it is told: version 3 in the client's own words, version 4 in full.
    pub(super) fn session_name(&self, session: &SessionKey) -> String {
        let own = match self.version {
            Version::V3 => self.lock().sessions.get(session).cloned(),
            Version::V4 => None,
        };
        own.unwrap_or_else(|| session.to_string())
    }

    /// The client wants to be told of the session's messages.
    pub(super) fn follow_messages(&self, session: &SessionKey) {
        self.lock().messages.insert(session.clone());
    }

    /// It does no more.
    pub(super) fn ignore_messages(&self, session: &SessionKey) {
        self.lock().messages.remove(session);
    }

    /// Whether it does.
    pub(super) fn follows_messages(&self, session: &SessionKey) -> bool {
        self.lock().messages.contains(session)
    }

    /// The client knows this run so.
    pub(super) fn call_run(&self, run_id: &RunId, run: Run) {
        let mut names = self.lock();
        if names.runs.insert(run_id.clone(), run).is_none() {
            names.order.push_back(run_id.clone());
        }
        while names.order.len() > RUNS {
            let oldest = names.order.pop_front();
            oldest.map(|oldest| names.runs.remove(&oldest));
        }
    }

    /// The run as its client knows it; by our own name where it does not.
    pub(super) fn run(&self, run_id: &RunId) -> Run {
        let known = self.lock().runs.get(run_id).cloned();
        known.unwrap_or_else(|| Run { id: run_id.to_string(), ..Run::default() })
    }

    /// When this run ends, these requests are answered, too.
    pub(super) fn answer_with(&self, run_id: &RunId, answers: Vec<String>) {
        if answers.is_empty() {
            return;
        }
        let mut run = self.run(run_id);
        run.answers.extend(answers);
        self.call_run(run_id, run);
    }

    /// Our name of a run, and its session, where the connection knows it.
    pub(super) fn run_named(&self, id: &str) -> Option<(RunId, Option<SessionKey>)> {
        let names = self.lock();
        let mut newest = names.order.iter().rev();
        let known = |run_id: &&RunId| names.runs.get(*run_id).is_some_and(|run| run.id == id);
        newest.find(known).map(|run_id| (run_id.clone(), names.runs.get(run_id).and_then(|run| run.session.clone())))
    }

    /// When this is decided, that request is answered once more.
    pub(super) fn wait_for(&self, approval: &ApprovalId, request: &str, told: Value) {
        self.lock().approvals.insert(approval.clone(), (request.to_owned(), told));
    }

    /// The request that waits for this.
    pub(super) fn waited_for(&self, approval: &ApprovalId) -> Option<(String, Value)> {
        self.lock().approvals.remove(approval)
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame as text. Frames hold nothing that can't be written.
pub(super) fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}

/// A message of an assistant, as it is told.
pub(super) fn said(text: &str, at_ms: u64) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "timestamp": at_ms })
}
