//! A turn: what a person asked, and what became of it.

use std::sync::Arc;

use exoclaw_protocol::{
    Approval, Block, CallId, ErrorCode, FailureKind, HistoryMessage, Message, Metering, Omitted, Role, RunId,
    ToolContent, ToolOutput,
};
use serde_json::Value;

/// Bytes of a tool's input or output that a card holds; the rest is said to be left out.
pub(crate) const TOOL_TEXT_BYTES: usize = 16 * 1024;

/// Shown at a call that waits until somebody allows it.
const WAITS: &str = "Waits to be allowed: answer in the terminal with `exoclawd approval list`.";

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
    /// Images that came with the question; they are counted, not shown.
    pub(crate) images: usize,
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
    Tool(Tool),
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) call: CallId,
    /// `plugin.tool`.
    pub(crate) name: String,
    /// The arguments, as text.
    pub(crate) input: String,
    pub(crate) state: ToolState,
    /// How far it says it is: a fraction of one, and its words.
    pub(crate) progress: Option<(Option<f32>, String)>,
    /// What it gave back, as text.
    pub(crate) output: String,
    /// What it cost; the journal does not keep it.
    pub(crate) metering: Option<Metering>,
}

/// How far a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolState {
    Running,
    Done,
    Failed(Option<FailureKind>),
    /// The run ended before it did.
    Stopped,
}

impl Turn {
    /// A turn whose run is known.
    pub(crate) fn of_run(key: u64, run: RunId) -> Self {
        Self {
            key,
            run: Some(run),
            sent_as: None,
            question: String::new(),
            images: 0,
            parts: Vec::new(),
            progress: Progress::Queued,
        }
    }

    /// The run has not ended, or the message has not got there.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Sending | Progress::Queued | Progress::Running)
    }

    /// Takes the person's message.
    pub(crate) fn ask(&mut self, message: &Message) {
        self.question = message.text();
        let is_image =
            |block: &&Block| matches!(block, Block::Image { .. } | Block::Omitted { what: Omitted::Image, .. });
        self.images = message.content.iter().filter(is_image).count();
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

    pub(crate) fn call(&mut self, call: CallId, name: &str, input: &Value) {
        if self.tool(&call).is_some() {
            return;
        }
        self.parts.push(Arc::new(Part::Tool(Tool {
            call,
            // The model sees `plugin__tool` where people read `plugin.tool`.
            name: name.replacen("__", ".", 1),
            input: cut(pretty(input)),
            state: ToolState::Running,
            progress: None,
            output: String::new(),
            metering: None,
        })));
    }

    /// A call waits until somebody allows it.
    pub(crate) fn wait_for_approval(&mut self, approval: &Approval) {
        self.call(approval.call_id.clone(), &approval.tool, &approval.input);
        if let Some(tool) = self.tool(&approval.call_id) {
            tool.progress = Some((None, WAITS.to_owned()));
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
            tool.output = readable(&output.content);
            tool.state = if output.is_error { ToolState::Failed(output.failure) } else { ToolState::Done };
            tool.progress = None;
            tool.metering = metering;
        }
    }

    /// Ends the run. Tools that did not end before it were stopped with it.
    pub(crate) fn end(&mut self, progress: Progress) {
        for part in &mut self.parts {
            if matches!(&**part, Part::Tool(tool) if tool.state == ToolState::Running)
                && let Part::Tool(tool) = Arc::make_mut(part)
            {
                tool.state = ToolState::Stopped;
                tool.progress = None;
            }
        }
        self.progress = progress;
    }

    /// Takes one message of the journal.
    pub(crate) fn remember(&mut self, message: &HistoryMessage) {
        let is_result = |block: &Block| matches!(block, Block::ToolResult { .. });
        if message.role == Role::User && !message.content.iter().any(is_result) {
            self.ask(&Message { role: message.role, content: message.content.clone() });
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

fn readable(content: &[ToolContent]) -> String {
    let lines = content.iter().map(|piece| match piece {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => pretty(value),
        ToolContent::Image { media_type, data } => format!("[{media_type}, {} KB]", data.len() * 3 / 4 / 1024),
    });
    cut(lines.collect::<Vec<_>>().join("\n"))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn cut(mut text: String) -> String {
    if text.len() > TOOL_TEXT_BYTES {
        let total = text.len();
        text.truncate(text.floor_char_boundary(TOOL_TEXT_BYTES));
        text.push_str(&format!("\n… {total} bytes in all"));
    }
    text
}
