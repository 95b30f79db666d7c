//! How a run looks: the answer on stdout, everything about it on stderr.

use std::time::{Duration, Instant};

use exoclaw_protocol::{Approval, Decision, Event, RunId, SessionEvent, SessionSubscribeResult, ToolContent, Usage};
use serde_json::Value;

use super::{
    super::approval::question,
    missed::{CaughtUp, Is, Missed, Shown},
};
use crate::{
    daemon_link::exit_of,
    error::{CliError, Exit},
    terminal::{Style, Terminal, duration, printable, shortened},
};

/// Characters of a tool's arguments or output that are shown.
const TOOL_TEXT: usize = 100;

/// Shows one run.
pub(super) struct View<'a> {
    terminal: &'a mut Terminal,
    started: Instant,
    /// The answer's last line is not ended.
    mid_line: bool,
    shown: Shown,
}

impl<'a> View<'a> {
    pub(super) fn new(terminal: &'a mut Terminal, started: Instant) -> Self {
        Self { terminal, started, mid_line: false, shown: Shown::default() }
    }

    /// Shows an event; the last one says how the command ends.
    pub(super) fn event(&mut self, event: &SessionEvent) -> Result<Option<Exit>, CliError> {
        self.shown.event(&event.event);
        if self.terminal.json {
            self.terminal.value(event)?;
            return Ok(ending(&event.event));
        }
        match &event.event {
            Event::Delta { text } => self.text(text)?,
            Event::ApprovalRequested { approval } => self.waits(approval)?,
            Event::ApprovalResolved { decision: Decision::Expired, .. } => self.aside("  nobody answered in time")?,
            Event::ToolStarted { tool, input, .. } => self.tool_started(tool, input)?,
            Event::ToolProgress { fraction, message, .. } => {
                let part = fraction.map_or_else(String::new, |part| format!("{:.0} % ", part * 100.0));
                self.aside(&format!("  {part}{}", shortened(message, TOOL_TEXT)))?;
            }
            Event::ToolFinished { tool, output, metering, .. } => {
                let time = Duration::from_micros(metering.wall_us);
                self.tool_finished(tool, Some(time), &output.content, output.is_error)?;
            }
            Event::Final { usage, .. } => self.end(Some(usage))?,
            Event::Aborted { .. } => {
                self.end_line()?;
                self.stopped()?;
            }
            Event::Error { code, message, retryable, .. } => {
                self.end_line()?;
                let error = CliError::new(exit_of(*code), printable(message));
                let hint = "sending the same message again may work";
                return Err(if *retryable { error.hint(hint) } else { error });
            }
            _ => {}
        }
        Ok(ending(&event.event))
    }

    /// Shows what a snapshot has of the run that was not shown; if it has ended meanwhile, says how the command ends.
    pub(super) fn snapshot(&mut self, run: &RunId, result: &SessionSubscribeResult) -> Result<Option<Exit>, CliError> {
        let Some(snapshot) = &result.snapshot else { return Ok(None) };
        let CaughtUp { missed, run: is } = self.shown.catch_up(run, snapshot);
        if self.terminal.json {
            self.terminal.value(result)?;
        } else {
            for piece in missed {
                match piece {
                    Missed::Text { text, goes_on } => {
                        if !goes_on {
                            self.end_line()?;
                        }
                        self.text(&text)?;
                    }
                    Missed::Call { tool, input } => self.tool_started(&tool, &input)?,
                    Missed::Result { tool, content, is_error } => {
                        self.tool_finished(&tool, None, &content, is_error)?
                    }
                }
            }
        }
        match is {
            Is::UnderWay => Ok(None),
            Is::Ended => {
                self.end(None)?;
                Ok(Some(Exit::Ok))
            }
            Is::Failed(code) => {
                self.end_line()?;
                Err(CliError::new(exit_of(code), format!("the run ended with {code} while the connection was away")))
            }
            Is::Gone => Err(CliError::new(Exit::Failed, "the run ended while the connection was away")
                .hint("the session keeps the answer")),
        }
    }

    /// Says that what was under way is stopped.
    pub(super) fn stopped(&mut self) -> Result<(), CliError> {
        self.terminal.say("stopped")?;
        Ok(())
    }

    /// Ctrl-C was pressed.
    pub(super) fn stopping(&mut self) -> Result<(), CliError> {
        self.note("stopping; Ctrl-C again to leave at once")
    }

    /// Somebody is there who can be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.terminal.interactive && !self.terminal.json
    }

    /// A call that waits to be allowed.
    pub(super) fn waits(&mut self, approval: &Approval) -> Result<(), CliError> {
        let asked = question(approval, self.terminal.talk_colour);
        self.end_line()?;
        self.aside(&format!("? waits to be allowed: {asked}"))?;
        if !self.can_ask() {
            self.aside(&format!("  `exoclawd approval allow {}` does, or deny", approval.id))?;
        }
        Ok(())
    }

    /// A question to whoever types.
    pub(super) fn prompt(&mut self, text: &str) -> Result<(), CliError> {
        self.end_line()?;
        self.terminal.ask(text)?;
        Ok(())
    }

    /// A remark about the connection.
    pub(super) fn note(&mut self, text: &str) -> Result<(), CliError> {
        if self.terminal.json {
            self.terminal.say(text)?;
            return Ok(());
        }
        self.aside(text)
    }

    fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.terminal.text(text)?;
        self.mid_line = !text.ends_with('\n') && (self.mid_line || !text.is_empty());
        Ok(())
    }

    fn tool_started(&mut self, tool: &str, input: &Value) -> Result<(), CliError> {
        let input = shortened(&input.to_string(), TOOL_TEXT);
        // The model's words before and after a call are two messages.
        self.end_line()?;
        let name = self.terminal.talk_colour.paint(Style::Note, tool).to_string();
        self.aside(&format!("→ {name} {input}"))
    }

    fn tool_finished(
        &mut self,
        tool: &str,
        time: Option<Duration>,
        content: &[ToolContent],
        is_error: bool,
    ) -> Result<(), CliError> {
        let colour = self.terminal.talk_colour;
        let mark = if is_error { colour.paint(Style::Bad, "✗") } else { colour.paint(Style::Good, "✓") };
        let time = time.map_or_else(String::new, |time| format!(" {}", duration(time)));
        let name = colour.paint(Style::Note, tool);
        self.aside(&format!("{mark} {name}{time}: {}", describe(content)))
    }

    /// What it took, for people who watch.
    fn end(&mut self, usage: Option<&Usage>) -> Result<(), CliError> {
        self.end_line()?;
        if let Some(usage) = usage
            && self.terminal.talk_is_screen
        {
            let time = duration(self.started.elapsed());
            let text = format!("{time}, {} tokens in, {} out", usage.input_tokens, usage.output_tokens);
            let text = self.terminal.talk_colour.paint(Style::Dim, text);
            self.terminal.say(text)?;
        }
        Ok(())
    }

    /// A line beside the answer.
    fn aside(&mut self, text: &str) -> Result<(), CliError> {
        if self.terminal.out_is_screen {
            self.end_line()?;
        }
        self.terminal.say(text)?;
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), CliError> {
        if std::mem::take(&mut self.mid_line) {
            self.terminal.text("\n")?;
        }
        Ok(())
    }
}

fn ending(event: &Event) -> Option<Exit> {
    match event {
        Event::Final { .. } => Some(Exit::Ok),
        Event::Aborted { .. } => Some(Exit::Interrupted),
        Event::Error { code, .. } => Some(exit_of(*code)),
        _ => None,
    }
}

fn describe(content: &[ToolContent]) -> String {
    let piece = |content: &ToolContent| match content {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => value.to_string(),
        ToolContent::Image { media_type, .. } => format!("({media_type})"),
    };
    shortened(&content.iter().map(piece).collect::<Vec<_>>().join(" "), TOOL_TEXT)
}
