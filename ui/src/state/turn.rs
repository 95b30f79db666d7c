//! A turn: what a person asked, and what became of it.

use std::sync::Arc;

use exoclaw_protocol::{
    Approval, Block, CallId, ErrorCode, HistoryMessage, Message, Metering, Omitted, Role, RunId, ToolOutput,
};
use serde_json::Value;

use super::{Attachment, Tool, ToolState};

/// A message of a person and the run that answers it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    /// Names the turn within the page, in order of appearance.
    pub(crate) key: u64,
    /// The run, once the daemon has named it.
    pub(crate) run: Option<RunId>,
    /// The key under which this page sent it; sending again under it is not sending twice.
    pub(crate) sent_as: Option<String>,
    /// What was asked.
    pub(crate) question: String,
    /// What came with the question.
    pub(crate) attachments: Vec<Attachment>,
    /// The question's number in the journal, and when it was made durable, where that is known.
    pub(crate) asked: Option<(u64, u64)>,
    /// What came back, in order.
    pub(crate) parts: Vec<Arc<Part>>,
    /// How far it is.
    pub(crate) progress: Progress,
}

/// How far a turn is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// On its way to the daemon.
    Sending,
    /// It did not get there.
    NotSent {
        /// Why, for people.
        why: String,
    },
    /// Durable; its run waits for its turn.
    Queued,
    /// Its run is under way.
    Running,
    /// Its run ended well.
    Done,
    /// Somebody stopped its run, or the daemon stopped meanwhile.
    Stopped,
    /// Its run failed.
    Failed {
        /// Why, for people.
        why: String,
    },
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// What the model said, in Markdown.
    Text(String),
    /// What it thought before.
    Thinking(String),
    /// A tool that it called.
    Tool(Box<Tool>),
}

impl Turn {
    /// A turn whose run is known.
    pub(crate) fn of_run(key: u64, run: RunId) -> Self {
        Self {
            key,
            run: Some(run),
            sent_as: None,
            question: String::new(),
            attachments: Vec::new(),
            asked: None,
            parts: Vec::new(),
            progress: Progress::Queued,
        }
    }

    /// The run has not ended, or the message has not got there.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Sending | Progress::Queued | Progress::Running)
    }

    /// Takes the person's message. Attachments that are here already stay.
    pub(crate) fn ask(&mut self, message: &Message) {
        self.question = message.text();
        let told = Attachment::of(message);
        if told.len() != self.attachments.len() || told.iter().any(|attachment| attachment.block().is_some()) {
            self.attachments = told;
        }
    }

    /// All that the agent said, without thoughts and tools.
    pub(crate) fn said(&self) -> String {
        let text = |part: &Arc<Part>| match &**part {
            Part::Text(text) => Some(text.clone()),
            Part::Thinking(_) | Part::Tool(_) => None,
        };
        self.parts.iter().filter_map(text).collect::<Vec<_>>().join("\n\n")
    }

    /// The tools that it called, in order.
    pub(crate) fn tools(&self) -> impl DoubleEndedIterator<Item = &Tool> {
        self.parts.iter().filter_map(|part| match &**part {
            Part::Tool(tool) => Some(&**tool),
            Part::Text(_) | Part::Thinking(_) => None,
        })
    }

    /// Adds to the text that grows at the end.
    pub(crate) fn say(&mut self, text: &str) {
        match self.parts.last_mut().map(Arc::make_mut) {
            Some(Part::Text(said)) => said.push_str(text),
            _ => self.parts.push(Arc::new(Part::Text(text.to_owned()))),
        }
    }

    /// Adds to the thought that grows at the end.
    pub(crate) fn think(&mut self, text: &str) {
        match self.parts.last_mut().map(Arc::make_mut) {
            Some(Part::Thinking(thought)) => thought.push_str(text),
            _ => self.parts.push(Arc::new(Part::Thinking(text.to_owned()))),
        }
    }

    /// Puts whole text in place of what has grown at the end, which it starts with unless something was missed.
    pub(crate) fn say_whole(&mut self, text: &str) {
        match self.parts.last_mut().map(Arc::make_mut) {
            _ if text.is_empty() => {}
            Some(Part::Text(said)) if said == text => {}
            Some(Part::Text(said)) => text.clone_into(said),
            _ => self.parts.push(Arc::new(Part::Text(text.to_owned()))),
        }
    }

    /// The call of a tool, made where there is none.
    pub(crate) fn call(&mut self, call: CallId, name: &str, input: &Value) {
        if self.tool(&call).is_none() {
            self.parts.push(Arc::new(Part::Tool(Box::new(Tool::new(call, name, input)))));
        }
    }

    /// A call waits until somebody allows it.
    pub(crate) fn wait_for_approval(&mut self, approval: &Approval) {
        self.call(approval.call_id.clone(), &approval.tool, &approval.input);
        if let Some(tool) = self.tool(&approval.call_id) {
            tool.ask(approval);
        }
    }

    /// Changes the tool that a test picks; says whether there is one.
    pub(crate) fn change_tool(&mut self, is_it: impl Fn(&Tool) -> bool, change: impl FnOnce(&mut Tool)) -> bool {
        let found = self.tools().rev().find(|tool| is_it(tool)).map(|tool| tool.call.clone());
        let Some(tool) = found.and_then(|call| self.tool(&call)) else { return false };
        change(tool);
        true
    }

    /// Puts parts before those that are here. Calls among them came to an end in the meantime.
    pub(crate) fn begin_with(&mut self, mut parts: Vec<Arc<Part>>) {
        for part in &mut parts {
            if let Part::Tool(tool) = Arc::make_mut(part)
                && tool.is_open()
            {
                tool.state = ToolState::Done;
            }
        }
        parts.append(&mut self.parts);
        self.parts = parts;
    }

    /// What only events and this page tell, from the same turn before the session was read anew.
    pub(crate) fn keep_of(&mut self, old: &Self) {
        if self.attachments.len() == old.attachments.len() {
            self.attachments.clone_from(&old.attachments);
        }
        for old in old.tools() {
            if let Some(tool) = self.tool(&old.call) {
                tool.keep_of(old);
            }
        }
    }

    pub(crate) fn tool(&mut self, call: &CallId) -> Option<&mut Tool> {
        let is_it = |part: &Arc<Part>| matches!(&**part, Part::Tool(tool) if tool.call == *call);
        match Arc::make_mut(self.parts.iter_mut().rev().find(|part| is_it(part))?) {
            Part::Tool(tool) => Some(tool),
            Part::Text(_) | Part::Thinking(_) => None,
        }
    }

    pub(crate) fn finish(&mut self, call: &CallId, output: &ToolOutput, metering: Option<Metering>) {
        if let Some(tool) = self.tool(call) {
            tool.finish(output, metering);
        }
    }

    /// Ends the run. Tools that did not end before it were stopped with it.
    pub(crate) fn end(&mut self, progress: Progress) {
        for part in &mut self.parts {
            if matches!(&**part, Part::Tool(tool) if tool.is_open())
                && let Part::Tool(tool) = Arc::make_mut(part)
            {
                tool.state = ToolState::Stopped;
                tool.progress = None;
                tool.question = None;
            }
        }
        self.progress = progress;
    }

    /// Takes one message of the journal.
    pub(crate) fn remember(&mut self, message: &HistoryMessage) {
        let is_result = |block: &Block| matches!(block, Block::ToolResult { .. });
        if message.role == Role::User && !message.content.iter().any(is_result) {
            self.ask(&Message { role: message.role, content: message.content.clone() });
            self.asked = Some((message.seq, message.at_ms));
            return;
        }
        for block in &message.content {
            match block {
                Block::Text { text } => self.say(text),
                Block::Thinking { text, .. } => self.think(text),
                Block::ToolCall { id, name, input } => self.call(id.clone(), name, input),
                Block::ToolResult { id, content, is_error } => {
                    let output = ToolOutput { content: content.clone(), is_error: *is_error, failure: None };
                    self.finish(id, &output, None);
                }
                Block::Omitted { what: Omitted::Message, bytes, .. } => {
                    self.say(&format!("({bytes} bytes are left out)"))
                }
                Block::Omitted { .. } | Block::Image { .. } | Block::File { .. } | Block::RedactedThinking { .. } => {}
            }
        }
        match message.interrupted {
            None => self.progress = Progress::Done,
            Some(ErrorCode::Interrupted) => self.progress = Progress::Stopped,
            Some(code) => {
                let why = format!("The answer broke off: {}.", code.as_str().replace('_', " "));
                self.progress = Progress::Failed { why };
            }
        }
    }
}
