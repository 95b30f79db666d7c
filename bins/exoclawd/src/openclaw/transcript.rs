//! A transcript, as records of a journal.

mod lines;
mod run;

use std::{
    collections::{BTreeMap, VecDeque},
    io::BufRead,
};

use exoclaw_protocol::{Message, Role, SessionSettings};
use exoclaw_store::{Record, upkeep::UpkeepError};
use serde::Deserialize;
use serde_json::Value;

use self::{
    lines::{Line, Lines},
    run::Run,
};
use super::content::{self, count};

/// Latest time that is believed, in milliseconds: the end of the year 9999.
const LATEST_MS: u64 = 253_402_300_799_999;

/// In place of a message of which nothing could be kept, so that its answer still has a message.
const NOTHING_KEPT: &str = "(What was said here could not be taken over.)";

/// A line of a transcript. Others than messages say how it came about.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: Option<Said>,
}

/// A message of a transcript.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    role: String,
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    timestamp: Option<Value>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    is_error: bool,
}

/// Reads a transcript and gives its messages as records of runs, each with its time. What can't be kept is counted.
///
/// A message of the user begins a run, which answers of the model and results of tools belong to until the next one. What the
/// model "said" outside of a run becomes a note.
#[derive(Debug)]
pub(crate) struct Transcript<R> {
    lines: Lines<R>,
    /// Its id there: runs are named after it.
    id: String,
    /// What is set for the session, until it is told.
    settings: SessionSettings,
    /// Records of the last line; a few.
    ready: VecDeque<(u64, Record)>,
    run: Option<Run>,
    /// Runs and notes so far.
    runs: u64,
    /// Time of the last message.
    at_ms: u64,
    /// Messages that were taken.
    pub(crate) messages: u64,
    /// What was left, by what it is.
    pub(crate) lost: BTreeMap<&'static str, u64>,
    ended: bool,
}

impl<R: BufRead> Transcript<R> {
    /// Messages before the first one with a time count as of `at_ms`.
    pub(crate) fn new(input: R, id: &str, settings: SessionSettings, at_ms: u64) -> Self {
        Self {
            lines: Lines::new(input),
            id: id.to_owned(),
            settings,
            ready: VecDeque::new(),
            run: None,
            runs: 0,
            at_ms,
            messages: 0,
            lost: BTreeMap::new(),
            ended: false,
        }
    }

    fn take(&mut self, line: &[u8]) {
        let said = match serde_json::from_slice::<Written>(line) {
            Ok(Written { message: Some(said), .. }) => said,
            Ok(Written { kind, .. }) => {
                return match kind.as_deref() {
                    Some("session" | "model_change" | "thinking_level_change") => {}
                    Some("compaction" | "branch_summary") => {
                        count(&mut self.lost, "summaries: what they stand for is here");
                    }
                    _ => count(&mut self.lost, "lines of kinds that are not known here"),
                };
            }
            Err(_) => return count(&mut self.lost, "lines that are broken, or nested too deep"),
        };
        match said.timestamp.as_ref().and_then(Value::as_u64).filter(|at_ms| *at_ms <= LATEST_MS) {
            Some(at_ms) => self.at_ms = at_ms,
            None => count(&mut self.lost, "times that are missing or wrong: that of the message before counts"),
        }
        match said.role.as_str() {
            "user" => self.user(said),
            "assistant" => self.assistant(said),
            "toolResult" => self.result(said),
            _ => count(&mut self.lost, "messages of roles that are not known here"),
        }
    }

    fn user(&mut self, said: Said) {
        let mut content = content::blocks(said.content, &mut self.lost);
        content.retain(|block| !matches!(block, exoclaw_protocol::Block::ToolCall { .. }));
        if content.is_empty() {
            content.push(exoclaw_protocol::Block::text(NOTHING_KEPT));
        }
        self.finish();
        self.runs += 1;
        self.messages += 1;
        let (run, records) = Run::begin(&self.id, self.runs, Message { role: Role::User, content });
        self.run = run;
        self.tell(records);
    }

    fn assistant(&mut self, mut said: Said) {
        let content = content::blocks(said.content.take(), &mut self.lost);
        let is_note = said.stop_reason.as_deref() == Some("injected");
        let records = match self.run.as_mut().filter(|_| !is_note) {
            Some(run) => run.step(content, said.stop_reason.as_deref(), said.error_message, &mut self.lost),
            None => {
                let content: Vec<_> = content.into_iter().filter(|block| block.as_text().is_some()).collect();
                if content.is_empty() {
                    return count(&mut self.lost, "answers without a message or a text");
                }
                self.runs += 1;
                run::note(&self.id, self.runs, Message::assistant(content))
            }
        };
        self.messages += 1;
        self.tell(records);
    }

    fn result(&mut self, said: Said) {
        let id = said.tool_call_id.as_deref().and_then(content::call_id);
        let place = self.run.as_mut().zip(id).and_then(|(run, id)| run.answered(id));
        let Some(place) = place else { return count(&mut self.lost, "tool results without their call") };
        let content = content::output(said.content, &mut self.lost);
        self.messages += 1;
        self.tell([place.result(content, said.is_error)]);
    }

    fn finish(&mut self) {
        let ended = self.run.take().map(Run::end);
        self.tell(ended);
    }

    fn tell(&mut self, records: impl IntoIterator<Item = Record>) {
        let at_ms = self.at_ms;
        self.ready.extend(records.into_iter().map(|record| (at_ms, record)));
    }

    fn end(&mut self) {
        self.ended = true;
        self.finish();
        let settings = std::mem::take(&mut self.settings);
        // A session of which nothing is left needs no settings.
        if self.messages > 0 && !settings.is_default() {
            self.tell([Record::Set { settings }]);
        }
    }
}

impl<R: BufRead> Iterator for Transcript<R> {
    type Item = Result<(u64, Record), UpkeepError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            match self.lines.next() {
                Ok(Line::Whole(line)) => self.take(&line),
                Ok(Line::TooLong) => count(&mut self.lost, "lines that are longer than 16 MiB"),
                Ok(Line::End) => self.end(),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(UpkeepError::Stream(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
