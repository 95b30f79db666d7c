//! The conversation of one session, as snapshots and events tell it.

use std::{collections::VecDeque, sync::Arc};

use exoclaw_protocol::{
    Approval, ChatSendResult, Event, RunId, SendStatus, SessionEvent, SessionKey, SessionSnapshot,
    SessionSubscribeResult,
};

use super::turn::{Progress, ToolState, Turn, change};

/// Turns that are kept; the oldest are dropped from the screen, not from the daemon.
const TURNS: usize = 500;

/// Events that may come before the session has been read. When more do, it is read again.
const EARLY_EVENTS: usize = 4_096;

/// What is known of a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conversation {
    /// The session, once the daemon has named it.
    pub(crate) session: Option<SessionKey>,
    pub(crate) turns: Vec<Arc<Turn>>,
    pub(crate) phase: Phase,
    /// Calls that wait to be allowed, the first of which is asked for. The daemon bounds them.
    pub(crate) questions: VecDeque<Approval>,
    /// The last event that was seen: epoch and number.
    cursor: Option<(u64, u64)>,
    early: Vec<Arc<SessionEvent>>,
    turns_made: u64,
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
    /// Something was missed: the session has to be read again.
    Missed,
}

impl Conversation {
    /// Takes what the session looks like now. Messages that are on their way from here stay.
    pub(crate) fn read(&mut self, result: &SessionSubscribeResult) -> Applied {
        self.session = Some(result.session.clone());
        if let Some(snapshot) = &result.snapshot {
            self.replace(snapshot);
        }
        self.cursor = Some((result.epoch, result.seq));
        self.phase = Phase::Ready;
        let mut outcome = Applied::Fine;
        for event in std::mem::take(&mut self.early) {
            // Their time is not known any more.
            if self.apply(&event, 0) == Applied::Missed {
                outcome = Applied::Missed;
            }
        }
        outcome
    }

    fn replace(&mut self, snapshot: &SessionSnapshot) {
        let ours = std::mem::take(&mut self.turns);
        self.questions.clear();
        for message in &snapshot.messages {
            self.of_run(&message.run_id).remember(message);
        }
        let under_way = snapshot.run.as_ref().map(|run| &run.run_id);
        for turn in &mut self.turns {
            if turn.run.as_ref() != under_way && !turn.parts.is_empty() {
                let progress = turn.progress.clone();
                change(turn).end(progress);
            }
        }
        if let Some(run) = &snapshot.run {
            let turn = self.of_run(&run.run_id);
            turn.progress = Progress::Running;
            if !run.text.is_empty() {
                turn.say(&run.text);
            }
            run.approvals.iter().for_each(|approval| turn.wait_for(approval));
            self.questions.extend(run.approvals.iter().cloned());
        }
        for turn in ours.iter().filter(|turn| turn.run.is_none()) {
            self.push(Turn::clone(turn));
        }
    }

    /// Takes one event, heard at that time.
    pub(crate) fn apply(&mut self, event: &Arc<SessionEvent>, now_ms: u64) -> Applied {
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
        self.take(&event.run_id, &event.event, now_ms);
        Applied::Fine
    }

    fn take(&mut self, run: &RunId, event: &Event, now_ms: u64) {
        if let Event::Accepted { message } = event {
            self.adopt(run, &message.text());
        }
        match event {
            Event::ApprovalRequested { approval } => self.questions.push_back(approval.clone()),
            Event::ApprovalResolved { id, .. } => self.questions.retain(|question| question.id != *id),
            _ if event.is_terminal() => self.questions.retain(|question| question.run_id != *run),
            _ => {}
        }
        let turn = self.of_run(run);
        if turn.began_ms.is_none() && now_ms > 0 {
            turn.began_ms = Some(now_ms);
        }
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
            Event::ApprovalRequested { approval } => turn.wait_for(approval),
            Event::ApprovalResolved { id, decision, .. } => turn.resolved(id, *decision),
            Event::ToolStarted { call_id, tool, input, effect } => {
                turn.call(call_id, tool, input, Some(*effect), ToolState::Running(None));
            }
            Event::ToolProgress { call_id, fraction, message } => {
                if let Some(tool) = turn.tool(|tool| tool.call == *call_id) {
                    tool.state = ToolState::Running(Some((*fraction, message.clone())));
                }
            }
            Event::ToolFinished { call_id, output, metering, .. } => turn.finish(call_id, output, Some(*metering)),
            Event::Final { message, usage, .. } => {
                turn.say_whole(&message.text());
                turn.end(Progress::Done);
                turn.took = turn.began_ms.map(|began| (now_ms.saturating_sub(began), *usage));
            }
            Event::Noted { message } => {
                turn.say_whole(&message.text());
                turn.end(Progress::Done);
            }
            Event::Joined { .. } => turn.end(Progress::Joined),
            Event::Aborted { text, .. } => {
                turn.say_whole(text);
                turn.end(Progress::Stopped);
            }
            Event::Error { message, .. } => turn.end(Progress::Failed(message.clone())),
            // What a newer daemon adds is passed over.
            _ => {}
        }
    }

    /// A run may be that of a message from here, whose answer has not come yet.
    fn adopt(&mut self, run: &RunId, text: &str) {
        let ours = |turn: &&mut Arc<Turn>| turn.run.is_none() && turn.is_open() && turn.question == text;
        if self.by_run(run).is_none()
            && let Some(turn) = self.turns.iter_mut().find(ours)
        {
            change(turn).run = Some(run.clone());
        }
    }

    /// Shows a message at once, while it is on its way.
    pub(crate) fn send(&mut self, text: String, sent_as: String, now_ms: u64) {
        let turn = Turn::new(0, Progress::Sending);
        self.push(Turn { question: text, sent_as: Some(sent_as), began_ms: Some(now_ms), ..turn });
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
            turn.progress = Progress::NotSent(why);
        }
    }

    /// The last message that did not get there is on its way again; gives its text and its key.
    pub(crate) fn send_again(&mut self) -> Option<(String, String)> {
        let failed = |turn: &&mut Arc<Turn>| matches!(turn.progress, Progress::NotSent(_));
        let turn = change(self.turns.iter_mut().rev().find(failed)?);
        turn.progress = Progress::Sending;
        Some((turn.question.clone(), turn.sent_as.clone()?))
    }

    /// A run is under way or waiting, so there is something to stop.
    pub(crate) fn is_busy(&self) -> bool {
        self.turns.iter().any(|turn| turn.is_open() && turn.progress != Progress::Sending)
    }

    /// The number of the last event that was seen.
    #[cfg(test)]
    pub(crate) fn seen(&self) -> u64 {
        self.cursor.map_or(0, |(_, seq)| seq)
    }

    fn by_key(&mut self, sent_as: &str) -> Option<&mut Turn> {
        self.turns.iter_mut().rev().find(|turn| turn.sent_as.as_deref() == Some(sent_as)).map(change)
    }

    fn by_run(&self, run: &RunId) -> Option<usize> {
        self.turns.iter().rposition(|turn| turn.run.as_ref() == Some(run))
    }

    /// The turn of a run, made where there is none.
    fn of_run(&mut self, run: &RunId) -> &mut Turn {
        let at = match self.by_run(run) {
            Some(at) => at,
            None => self.push(Turn { run: Some(run.clone()), ..Turn::new(0, Progress::Queued) }),
        };
        change(&mut self.turns[at])
    }

    fn push(&mut self, mut turn: Turn) -> usize {
        self.turns_made += 1;
        turn.number = self.turns_made;
        if self.turns.len() >= TURNS {
            self.turns.remove(0);
        }
        self.turns.push(Arc::new(turn));
        self.turns.len() - 1
    }
}
