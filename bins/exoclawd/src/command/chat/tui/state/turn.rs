//! A turn: what somebody said, and what became of it.

use std::sync::Arc;

use exoclaw_protocol::{
    Approval, ApprovalId, Block, CallId, Decision, Effect, ErrorCode, FailureKind, HistoryMessage, Message, Metering,
    Omitted, Role, RunId, ToolContent, ToolOutput, Usage,
};
use exoclaw_runtime::display_name;
use serde_json::Value;

use crate::terminal::{bytes, escaped};

/// Bytes of a tool's output that are kept for the screen; the rest is said to be left out.
const OUTPUT_BYTES: usize = 16 * 1024;

/// A message and the run that answers it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    /// Names the turn, in order of appearance.
    pub(crate) number: u64,
    /// The run, once the daemon has named it.
    pub(crate) run: Option<RunId>,
    /// The key under which it was sent from here; sending again under it is not sending twice.
    pub(crate) sent_as: Option<String>,
    pub(crate) question: String,
    /// Names and sizes of what came with the question.
    pub(crate) attachments: Vec<String>,
    pub(crate) parts: Vec<Part>,
    pub(crate) progress: Progress,
    /// When it was first heard of here, in milliseconds since 1970; what was read later has none.
    pub(crate) began_ms: Option<u64>,
    /// Milliseconds until it ended, and what it cost.
    pub(crate) took: Option<(u64, Usage)>,
}

/// How far a turn is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// On its way to the daemon.
    Sending,
    /// It did not get there, or nobody knows.
    NotSent(String),
    /// Durable; its run waits for its turn.
    Queued,
    Running,
    Done,
    Stopped,
    /// Its run failed: why, for people.
    Failed(String),
    /// Another run answers it.
    Joined,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Thinking(String),
    Tool(Tool),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) call: CallId,
    /// `plugin.tool`.
    pub(crate) name: String,
    /// The arguments as JSON on one line, which steers nothing.
    pub(crate) input: String,
    /// What it does to the world; history does not say.
    pub(crate) effect: Option<Effect>,
    pub(crate) state: ToolState,
    pub(crate) output: String,
    /// What it cost; history does not say.
    pub(crate) metering: Option<Metering>,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToolState {
    /// It waits until somebody allows it.
    Asked(ApprovalId),
    /// How far it says it is: a fraction of one, and its words.
    Running(Option<(Option<f32>, String)>),
    Done,
    Denied,
    Failed(Option<FailureKind>),
    /// The run ended before it did.
    Stopped,
}

impl Turn {
    pub(crate) fn new(number: u64, progress: Progress) -> Self {
        Self {
            number,
            run: None,
            sent_as: None,
            question: String::new(),
            attachments: Vec::new(),
            parts: Vec::new(),
            progress,
            began_ms: None,
            took: None,
        }
    }

    /// The run has not ended, or the message has not got there.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Sending | Progress::Queued | Progress::Running)
    }

    /// Takes the person's message.
    pub(crate) fn ask(&mut self, message: &Message) {
        self.question = message.text();
        self.attachments = message.content.iter().filter_map(attachment).collect();
    }

    /// Adds to the text that grows at the end.
    pub(crate) fn say(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(said)) => said.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    pub(crate) fn think(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Thinking(thought)) => thought.push_str(text),
            _ => self.parts.push(Part::Thinking(text.to_owned())),
        }
    }

    /// Puts whole text in place of what has grown at the end.
    pub(crate) fn say_whole(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(said)) => text.clone_into(said),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// A call began, or waits to begin.
    pub(crate) fn call(&mut self, call: &CallId, name: &str, input: &Value, effect: Option<Effect>, state: ToolState) {
        if let Some(tool) = self.tool(|tool| tool.call == *call) {
            tool.effect = tool.effect.or(effect);
            // A call that was denied begins and fails like any other.
            if tool.state != ToolState::Denied {
                tool.state = state;
            }
            return;
        }
        let (name, input) = (display_name(name), escaped(&input.to_string()));
        let (call, output) = (call.clone(), String::new());
        self.parts.push(Part::Tool(Tool { call, name, input, effect, state, output, metering: None }));
    }

    pub(crate) fn tool(&mut self, wanted: impl Fn(&Tool) -> bool) -> Option<&mut Tool> {
        self.parts.iter_mut().rev().find_map(|part| match part {
            Part::Tool(tool) if wanted(tool) => Some(tool),
            Part::Tool(_) | Part::Text(_) | Part::Thinking(_) => None,
        })
    }

    /// A call waits until somebody allows it.
    pub(crate) fn wait_for(&mut self, approval: &Approval) {
        let Approval { id, call_id, tool, input, effect, .. } = approval;
        self.call(call_id, tool, input, Some(*effect), ToolState::Asked(id.clone()));
    }

    /// A call waits no more.
    pub(crate) fn resolved(&mut self, id: &ApprovalId, decision: Decision) {
        if let Some(tool) = self.tool(|tool| matches!(&tool.state, ToolState::Asked(asked) if asked == id)) {
            tool.state = match decision {
                Decision::Allowed => ToolState::Running(None),
                Decision::Denied | Decision::Expired => ToolState::Denied,
            };
        }
    }

    pub(crate) fn finish(&mut self, call: &CallId, output: &ToolOutput, metering: Option<Metering>) {
        let Some(tool) = self.tool(|tool| tool.call == *call) else { return };
        tool.output = readable(&output.content);
        tool.metering = metering;
        tool.state = match &tool.state {
            _ if !output.is_error => ToolState::Done,
            ToolState::Denied => ToolState::Denied,
            _ => ToolState::Failed(output.failure),
        };
    }

    /// Ends the run. Calls that did not end before it were stopped with it.
    pub(crate) fn end(&mut self, progress: Progress) {
        for part in &mut self.parts {
            if let Part::Tool(tool) = part
                && matches!(tool.state, ToolState::Running(_) | ToolState::Asked(_))
            {
                tool.state = ToolState::Stopped;
            }
        }
        self.progress = progress;
    }

    /// Takes one message of the journal.
    pub(crate) fn remember(&mut self, message: &HistoryMessage) {
        let is_result = |block: &Block| matches!(block, Block::ToolResult { .. });
        if message.role == Role::User && !message.content.iter().any(is_result) {
            return self.ask(&Message { role: message.role, content: message.content.clone() });
        }
        for block in &message.content {
            match block {
                Block::Text { text } => self.say(text),
                Block::Thinking { text, .. } => self.think(text),
                Block::ToolCall { id, name, input } => self.call(id, name, input, None, ToolState::Running(None)),
                Block::ToolResult { id, content, is_error } => {
                    let output = ToolOutput { content: content.clone(), is_error: *is_error, failure: None };
                    self.finish(id, &output, None);
                }
                Block::Omitted { what: Omitted::Message, bytes: size, .. } => {
                    self.say(&format!("({} are left out)", bytes(*size)));
                }
                Block::Omitted { .. } | Block::Image { .. } | Block::File { .. } | Block::RedactedThinking { .. } => {}
            }
        }
        self.progress = match message.interrupted {
            None => Progress::Done,
            Some(ErrorCode::Interrupted) => Progress::Stopped,
            Some(code) => Progress::Failed(format!("the answer broke off: {code}")),
        };
    }
}

fn attachment(block: &Block) -> Option<String> {
    match block {
        Block::Image { media_type, .. } => Some(media_type.clone()),
        Block::File { name, .. } => Some(name.clone()),
        Block::Omitted { what: Omitted::Message, .. } => None,
        Block::Omitted { bytes: size, .. } => Some(bytes(*size)),
        _ => None,
    }
}

fn readable(content: &[ToolContent]) -> String {
    let pieces = content.iter().map(|piece| match piece {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => escaped(&value.to_string()),
        ToolContent::Image { media_type, data } => format!("({media_type}, {})", bytes(data.len() as u64 * 3 / 4)),
    });
    let mut text = pieces.collect::<Vec<_>>().join("\n");
    if text.len() > OUTPUT_BYTES {
        let all = bytes(text.len() as u64);
        text.truncate(text.floor_char_boundary(OUTPUT_BYTES));
        text.push_str(&format!("\n… {all} in all"));
    }
    text
}

/// The turn to be changed; who draws it may hold it, too.
pub(crate) fn change(turn: &mut Arc<Turn>) -> &mut Turn {
    Arc::make_mut(turn)
}
