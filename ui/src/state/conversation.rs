//! The conversation of one session, as events and snapshots tell it.

use std::sync::Arc;

use exoclaw_protocol::{
    ChatSendResult, Event, RunId, SendStatus, SessionEvent, SessionKey, SessionSnapshot, SessionSubscribeResult,
};

use super::turn::{Progress, Turn};

/// Turns that the page holds; the oldest are dropped from the page, not from the daemon.
pub(crate) const TURNS: usize = 500;

/// Events that may come before the session has been read. When more do, it is read again.
pub(crate) const EARLY_EVENTS: usize = 4_096;

/// What is known of a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conversation {
    /// The session, once the daemon has named it.
    pub(crate) session: Option<SessionKey>,
    /// In order of appearance.
    pub(crate) turns: Vec<Arc<Turn>>,
    pub(crate) phase: Phase,
    /// The last event that was seen: epoch and number.
    cursor: Option<(u64, u64)>,
    /// Events that came before the session was read.
    early: Vec<Arc<SessionEvent>>,
    next_key: u64,
}

/// Whether the conversation is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being read, for the first time or again.
    #[default]
    Loading,
    /// It is there, and events keep it so.
    Ready,
    /// It could not be read.
    Failed(String),
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Applied {
    /// It was taken, kept for later, or known already.
    Fine,
    /// Something was missed: read the session again.
    Missed,
}

impl Conversation {
    /// Takes what the session looks like now. Messages that this page is sending stay.
    pub(crate) fn read(&mut self, result: &SessionSubscribeResult) -> Applied {
        self.session = Some(result.session.clone());
        if let Some(snapshot) = &result.snapshot {
            self.replace(snapshot);
        }
        self.cursor = Some((result.epoch, result.seq));
        self.phase = Phase::Ready;
        let mut outcome = Applied::Fine;
        for event in std::mem::take(&mut self.early) {
            if self.apply(&event) == Applied::Missed {
                outcome = Applied::Missed;
            }
        }
        outcome
    }

    fn replace(&mut self, snapshot: &SessionSnapshot) {
        let ours = std::mem::take(&mut self.turns);
        for message in &snapshot.messages {
            self.of_run(&message.run_id).remember(message);
        }
        let under_way = snapshot.run.as_ref().map(|run| &run.run_id);
        for turn in &mut self.turns {
            if turn.run.as_ref() != under_way && !turn.parts.is_empty() {
                let turn = Arc::make_mut(turn);
                turn.end(turn.progress.clone());
            }
        }
        if let Some(run) = &snapshot.run {
            let turn = self.of_run(&run.run_id);
            turn.progress = Progress::Running;
            if !run.text.is_empty() {
                turn.say(&run.text);
            }
            for approval in &run.approvals {
                turn.wait_for_approval(approval);
            }
        }
        for turn in ours.iter().filter(|turn| turn.run.is_none()) {
            self.push(Turn::clone(turn));
        }
    }

    /// Takes one event.
    pub(crate) fn apply(&mut self, event: &Arc<SessionEvent>) -> Applied {
        if self.phase != Phase::Ready {
            if self.early.len() >= EARLY_EVENTS {
                self.early.clear();
                return Applied::Missed;
            }
            self.early.push(Arc::clone(event));
            return Applied::Fine;
        }
        if self.session.as_ref() != Some(&event.session) {
            return Applied::Fine;
        }
        match self.cursor {
            Some((epoch, seq)) if epoch == event.epoch && event.seq <= seq => return Applied::Fine,
            Some((epoch, seq)) if epoch == event.epoch && event.follows() == seq => {}
            _ => return Applied::Missed,
        }
        if matches!(event.event, Event::Reset {}) {
            return Applied::Missed;
        }
        self.cursor = Some((event.epoch, event.seq));
        self.take(&event.run_id, &event.event);
        Applied::Fine
    }

    fn take(&mut self, run: &RunId, event: &Event) {
        if let Event::Accepted { message } = event {
            // It may be the page's own message, whose answer has not come yet.
            let text = message.text();
            let ours = |turn: &Arc<Turn>| turn.run.is_none() && turn.is_open() && turn.question == text;
            if self.by_run(run).is_none()
                && let Some(turn) = self.turns.iter_mut().find(|turn| ours(turn))
            {
                Arc::make_mut(turn).run = Some(run.clone());
            }
        }
        let turn = self.of_run(run);
        if !event.is_terminal() && !matches!(event, Event::Accepted { .. }) {
            turn.progress = Progress::Running;
        }
        match event {
            Event::Accepted { message } => {
                turn.ask(message);
                if turn.progress == Progress::Sending {
                    turn.progress = Progress::Queued;
                }
            }
            Event::Delta { text } => turn.say(text),
            Event::Thinking { text } => turn.think(text),
            Event::ApprovalRequested { approval } => turn.wait_for_approval(approval),
            Event::ToolStarted { call_id, tool, input, .. } => {
                turn.call(call_id.clone(), tool, input);
                if let Some(tool) = turn.tool(call_id) {
                    tool.progress = None;
                }
            }
            Event::ToolProgress { call_id, fraction, message } => {
                if let Some(tool) = turn.tool(call_id) {
                    tool.progress = Some((*fraction, message.clone()));
                }
            }
            Event::ToolFinished { call_id, output, metering, .. } => turn.finish(call_id, output, Some(*metering)),
            Event::Final { message, .. } => {
                turn.say_whole(&message.text());
                turn.end(Progress::Done);
            }
            Event::Noted { message } => {
                turn.say_whole(&message.text());
                turn.end(Progress::Done);
            }
            Event::Joined { .. } => turn.end(Progress::Done),
            Event::Aborted { text, .. } => {
                turn.say_whole(text);
                turn.end(Progress::Stopped);
            }
            Event::Error { message, .. } => turn.end(Progress::Failed { why: message.clone() }),
            // Counts of tokens are not shown; what a newer daemon adds is passed over.
            _ => {}
        }
    }

    /// Shows a message at once, while it is on its way.
    pub(crate) fn send(&mut self, text: String, sent_as: String) {
        self.push(Turn {
            key: 0,
            run: None,
            sent_as: Some(sent_as),
            question: text,
            images: 0,
            parts: Vec::new(),
            progress: Progress::Sending,
        });
    }

    /// The daemon has made a message durable.
    pub(crate) fn sent(&mut self, sent_as: &str, result: &ChatSendResult) {
        let run = &result.run_id;
        if result.status == SendStatus::Stopped {
            self.turns.retain(|turn| turn.sent_as.as_deref() != Some(sent_as));
            return;
        }
        if self.session.is_none() {
            // The message began the conversation.
            self.session = Some(result.session.clone());
            self.cursor = Some((result.epoch, result.seq));
        }
        // Its first event may have come before the answer, or the session have been read meanwhile.
        if self.by_run(run).is_some_and(|at| self.turns[at].sent_as.as_deref() != Some(sent_as)) {
            self.turns.retain(|turn| turn.sent_as.as_deref() != Some(sent_as));
            return;
        }
        if let Some(turn) = self.by_key(sent_as) {
            turn.run = Some(run.clone());
            if turn.progress == Progress::Sending {
                turn.progress = Progress::Queued;
            }
        }
    }

    /// A message did not get there.
    pub(crate) fn not_sent(&mut self, sent_as: &str, why: String) {
        if let Some(turn) = self.by_key(sent_as).filter(|turn| turn.run.is_none()) {
            turn.progress = Progress::NotSent { why };
        }
    }

    /// A message is on its way again; gives its text.
    pub(crate) fn send_again(&mut self, sent_as: &str) -> Option<String> {
        let turn = self.by_key(sent_as).filter(|turn| matches!(turn.progress, Progress::NotSent { .. }))?;
        turn.progress = Progress::Sending;
        Some(turn.question.clone())
    }

    /// A turn by its key.
    pub(crate) fn turn(&self, key: u64) -> Option<&Arc<Turn>> {
        self.turns.binary_search_by_key(&key, |turn| turn.key).ok().map(|at| &self.turns[at])
    }

    /// A run is under way or waiting, so there is something to stop.
    pub(crate) fn is_busy(&self) -> bool {
        self.turns.iter().any(|turn| turn.is_open() && turn.progress != Progress::Sending)
    }

    fn by_key(&mut self, sent_as: &str) -> Option<&mut Turn> {
        let turn = self.turns.iter_mut().rev().find(|turn| turn.sent_as.as_deref() == Some(sent_as))?;
        Some(Arc::make_mut(turn))
    }

    fn by_run(&self, run: &RunId) -> Option<usize> {
        self.turns.iter().rposition(|turn| turn.run.as_ref() == Some(run))
    }

    /// The turn of a run, made where there is none.
    fn of_run(&mut self, run: &RunId) -> &mut Turn {
        let at = match self.by_run(run) {
            Some(at) => at,
            None => self.push(Turn::of_run(0, run.clone())),
        };
        Arc::make_mut(&mut self.turns[at])
    }

    fn push(&mut self, mut turn: Turn) -> usize {
        self.next_key += 1;
        turn.key = self.next_key;
        if self.turns.len() >= TURNS {
            self.turns.remove(0);
        }
        self.turns.push(Arc::new(turn));
        self.turns.len() - 1
    }
}
