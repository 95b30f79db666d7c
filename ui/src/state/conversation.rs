//! The conversation of one session, as events and snapshots tell it.

use std::sync::Arc;

use exoclaw_protocol::{
    ApprovalId, ChatSendResult, Event, HistoryMessage, RunId, SendStatus, SessionEvent, SessionKey, SessionSnapshot,
    SessionSubscribeResult,
};

use super::{
    Attachment, ToolState,
    turn::{Progress, Turn},
};

/// Turns that the page holds; the oldest are dropped from the page, not from the daemon.
pub(crate) const TURNS: usize = 1_000;

/// The key of the first turn that is read. Later ones have larger keys, earlier ones smaller.
const FIRST_KEY: u64 = 1 << 32;

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
    /// Turns that were pushed at the end, and at the front.
    pushed: u64,
    pushed_before: u64,
    /// The first message that is here: its number in the journal.
    first_seq: Option<u64>,
    /// What is known of messages before it.
    pub(crate) earlier: Earlier,
    /// The last turn that was here when the reader looked away; what comes after it is new.
    pub(crate) away_since: Option<u64>,
    /// Events were missed, and what they told was read anew.
    pub(crate) missed: bool,
    /// Events were missed.
    gap: bool,
}

/// What is known of the messages before the first one that is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// There are none, or it is not known yet.
    #[default]
    None,
    /// There are some.
    Some,
    /// They are being read.
    Loading,
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
        let before = self.size();
        if let Some(snapshot) = &result.snapshot {
            self.replace(snapshot);
        }
        // A daemon that was started again has another numbering, which alone is no loss.
        self.missed |= std::mem::take(&mut self.gap) && self.size() != before;
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

    /// Events were missed: what they told is read next.
    pub(crate) fn gap(&mut self) {
        self.gap = true;
    }

    /// How much is here: turns and their parts.
    fn size(&self) -> (usize, usize) {
        (self.turns.len(), self.turns.iter().map(|turn| turn.parts.len()).sum())
    }

    fn replace(&mut self, snapshot: &SessionSnapshot) {
        let ours = std::mem::take(&mut self.turns);
        self.first_seq = snapshot.messages.first().map(|message| message.seq);
        self.earlier = Earlier::None;
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
        for turn in &ours {
            match &turn.run {
                None => _ = self.push(Turn::clone(turn)),
                Some(run) => {
                    if let Some(at) = self.by_run(run) {
                        Arc::make_mut(&mut self.turns[at]).keep_of(turn);
                    }
                }
            }
        }
        self.away_since = None;
    }

    /// The number before which there may be more messages, where that is not known yet.
    pub(crate) fn before(&self) -> Option<u64> {
        self.first_seq.filter(|_| self.turns.len() < TURNS)
    }

    /// Takes messages from before the first one that is here. A turn that they begin is joined with its rest.
    pub(crate) fn read_earlier(&mut self, messages: &[HistoryMessage], more: bool) {
        let mut page = Self::default();
        for message in messages {
            page.of_run(&message.run_id).remember(message);
        }
        for turn in &mut page.turns {
            let turn = Arc::make_mut(turn);
            let is_split = self.turns.first().is_some_and(|first| first.run == turn.run);
            if !is_split && !turn.parts.is_empty() {
                turn.end(turn.progress.clone());
            }
        }
        if let (Some(last), Some(first)) = (page.turns.last(), self.turns.first_mut())
            && last.run == first.run
        {
            let (rest, begun) = (Arc::make_mut(first), Turn::clone(last));
            rest.question = begun.question;
            rest.attachments = begun.attachments;
            rest.asked = begun.asked;
            rest.begin_with(begun.parts);
            page.turns.pop();
        }
        for turn in page.turns.into_iter().rev() {
            self.pushed_before += 1;
            let mut turn = Turn::clone(&turn);
            turn.key = FIRST_KEY - self.pushed_before;
            self.turns.insert(0, Arc::new(turn));
        }
        self.first_seq = messages.first().map(|message| message.seq).or(self.first_seq);
        self.earlier = if more && self.turns.len() < TURNS { Earlier::Some } else { Earlier::None };
    }

    /// Takes the attachments of one question.
    pub(crate) fn show_attachments(&mut self, seq: u64, attachments: Vec<Attachment>) {
        let is_it = |turn: &&mut Arc<Turn>| turn.asked.is_some_and(|(asked, _)| asked == seq);
        if let Some(turn) = self.turns.iter_mut().find(is_it) {
            Arc::make_mut(turn).attachments = attachments;
        }
    }

    /// The reader looks away, or is back.
    pub(crate) fn look(&mut self, visible: bool) {
        if !visible && self.away_since.is_none() {
            self.away_since = self.turns.last().map(|turn| turn.key);
        }
        // Whoever is back and saw nothing new needs no mark.
        if visible && self.away_since.is_some_and(|key| self.turns.last().is_none_or(|last| last.key <= key)) {
            self.away_since = None;
        }
    }

    /// This page's answer to a question is on its way, or was refused.
    pub(crate) fn answer(&mut self, id: &ApprovalId, answered: bool) {
        let asks = |tool: &super::Tool| tool.question.as_ref().is_some_and(|question| question.approval.id == *id);
        for turn in self.turns.iter_mut().rev() {
            if turn.tools().any(asks) {
                Arc::make_mut(turn).change_tool(asks, |tool| {
                    if let Some(question) = &mut tool.question {
                        question.answered = answered;
                    }
                });
                return;
            }
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
            let attached = Attachment::of(message).len();
            let ours = |turn: &Arc<Turn>| {
                turn.run.is_none() && turn.is_open() && turn.question == text && turn.attachments.len() == attached
            };
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
            Event::ApprovalResolved { id, decision, by } => {
                let by = by.as_ref().map(ToString::to_string);
                let asks =
                    |tool: &super::Tool| tool.question.as_ref().is_some_and(|question| question.approval.id == *id);
                turn.change_tool(asks, |tool| tool.decide(*decision, by));
            }
            Event::ToolStarted { call_id, tool, input, effect } => {
                turn.call(call_id.clone(), tool, input);
                if let Some(call) = turn.tool(call_id) {
                    call.name.clone_from(tool);
                    call.effect = Some(*effect);
                    call.state = ToolState::Running;
                    call.progress = None;
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
    pub(crate) fn send(&mut self, text: String, attachments: Vec<Attachment>, sent_as: String) {
        self.away_since = None;
        self.push(Turn {
            key: 0,
            run: None,
            sent_as: Some(sent_as),
            question: text,
            attachments,
            asked: None,
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

    /// A message is on its way again; gives it.
    pub(crate) fn send_again(&mut self, sent_as: &str) -> Option<(String, Vec<Attachment>)> {
        let turn = self.by_key(sent_as).filter(|turn| matches!(turn.progress, Progress::NotSent { .. }))?;
        turn.progress = Progress::Sending;
        Some((turn.question.clone(), turn.attachments.clone()))
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
        turn.key = FIRST_KEY + self.pushed;
        self.pushed += 1;
        if self.turns.len() >= TURNS {
            self.turns.remove(0);
        }
        self.turns.push(Arc::new(turn));
        self.turns.len() - 1
    }
}
