//! What a snapshot shows of a run that was not shown yet.

use std::collections::{HashMap, HashSet};

use exoclaw_protocol::{Block, CallId, ErrorCode, Event, Role, RunId, SessionSnapshot, ToolContent};
use exoclaw_runtime::display_name;
use serde_json::Value;

/// How much of a run was shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Steps of the model that are whole.
    steps: usize,
    /// What was said in the step under way.
    said: String,
    started: HashSet<CallId>,
    finished: HashSet<CallId>,
}

/// One thing that was missed.
#[derive(Debug, PartialEq)]
pub(super) enum Missed {
    /// Words, which go on from those that were shown or begin anew; of a beginning there may be none so far.
    Text {
        text: String,
        goes_on: bool,
    },
    Call {
        tool: String,
        input: Value,
    },
    Result {
        tool: String,
        content: Vec<ToolContent>,
        is_error: bool,
    },
}

/// What was missed, in order.
#[derive(Debug, PartialEq)]
pub(super) struct CaughtUp {
    pub(super) missed: Vec<Missed>,
    pub(super) run: Is,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Is {
    UnderWay,
    Ended,
    /// It ended before its answer was whole.
    Failed(ErrorCode),
    /// The snapshot holds nothing of it any more.
    Gone,
}

impl Shown {
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Delta { text } => self.said.push_str(text),
            Event::Usage { .. } => {
                self.steps += 1;
                self.said.clear();
            }
            Event::ToolStarted { call_id, .. } => drop(self.started.insert(call_id.clone())),
            Event::ToolFinished { call_id, .. } => drop(self.finished.insert(call_id.clone())),
            _ => {}
        }
    }

    /// What the snapshot has of the run beside what was shown, which from now on counts as shown.
    pub(super) fn catch_up(&mut self, run: &RunId, snapshot: &SessionSnapshot) -> CaughtUp {
        let (mut missed, mut tools, mut steps) = (Vec::new(), HashMap::new(), 0);
        let messages = snapshot.messages.iter().filter(|message| message.run_id == *run);
        let mut is = Is::Gone;
        for message in messages {
            let is_step = message.role == Role::Assistant;
            if is_step {
                let said: String = message.content.iter().filter_map(Block::as_text).collect();
                self.say(steps, &said, &mut missed);
                steps += 1;
            }
            let mut calls = false;
            for block in &message.content {
                match block {
                    Block::ToolCall { id, name, input } if is_step => {
                        calls = true;
                        let tool = display_name(name);
                        tools.insert(id.clone(), tool.clone());
                        if self.started.insert(id.clone()) {
                            missed.push(Missed::Call { tool, input: input.clone() });
                        }
                    }
                    Block::ToolResult { id, content, is_error } if self.finished.insert(id.clone()) => {
                        let tool = tools.get(id).cloned().unwrap_or_default();
                        missed.push(Missed::Result { tool, content: content.clone(), is_error: *is_error });
                    }
                    _ => {}
                }
            }
            is = match message.interrupted {
                Some(code) => Is::Failed(code),
                None if is_step && !calls => Is::Ended,
                None => Is::UnderWay,
            };
        }
        let under_way = snapshot.run.as_ref().filter(|under_way| under_way.run_id == *run);
        if let Some(under_way) = under_way {
            self.say(steps, &under_way.text, &mut missed);
            self.said.clone_from(&under_way.text);
            is = Is::UnderWay;
        } else {
            self.said.clear();
        }
        self.steps = steps;
        CaughtUp { missed, run: is }
    }

    /// What was said in a step, as far as it was not shown.
    fn say(&self, step: usize, text: &str, missed: &mut Vec<Missed>) {
        let rest = if step == self.steps { text.strip_prefix(&*self.said) } else { None };
        let (new, goes_on) = (rest.unwrap_or(text), rest.is_some());
        let begins_anew = step == self.steps && !goes_on;
        if step >= self.steps && (begins_anew || !new.is_empty()) {
            missed.push(Missed::Text { text: new.to_owned(), goes_on });
        }
    }
}

#[cfg(test)]
mod tests;
