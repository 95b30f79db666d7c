//! How a run looks: the answer on stdout, everything about it on stderr.

use std::time::{Duration, Instant};

use exoclaw_protocol::{Event, Metering, SessionEvent, ToolContent, ToolOutput, Usage};

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
}

impl<'a> View<'a> {
    pub(super) fn new(terminal: &'a mut Terminal, started: Instant) -> Self {
        Self { terminal, started, mid_line: false }
    }

    /// Shows an event; the last one says how the command ends.
    pub(super) fn event(&mut self, event: &SessionEvent) -> Result<Option<Exit>, CliError> {
        if self.terminal.json {
            self.terminal.value(event)?;
            return Ok(ending(&event.event));
        }
        match &event.event {
            Event::Delta { text } => {
                self.terminal.text(text)?;
                self.mid_line = !text.ends_with('\n') && (self.mid_line || !text.is_empty());
            }
            Event::ToolStarted { tool, input, .. } => {
                let input = shortened(&input.to_string(), TOOL_TEXT);
                // The model's words before and after a call are two messages.
                self.end_line()?;
                let name = self.terminal.talk_colour.paint(Style::Note, tool).to_string();
                self.aside(&format!("→ {name} {input}"))?;
            }
            Event::ToolProgress { fraction, message, .. } => {
                let part = fraction.map_or_else(String::new, |part| format!("{:.0} % ", part * 100.0));
                self.aside(&format!("  {part}{}", shortened(message, TOOL_TEXT)))?;
            }
            Event::ToolFinished { tool, output, metering, .. } => self.tool_finished(tool, output, metering)?,
            Event::Final { usage, .. } => self.end(usage)?,
            Event::Aborted { .. } => {
                self.end_line()?;
                self.terminal.say("stopped")?;
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

    /// Ctrl-C was pressed.
    pub(super) fn stopping(&mut self) -> Result<(), CliError> {
        self.note("stopping; Ctrl-C again to leave at once")
    }

    /// A remark about the connection.
    pub(super) fn note(&mut self, text: &str) -> Result<(), CliError> {
        if self.terminal.json {
            self.terminal.say(text)?;
            return Ok(());
        }
        self.aside(text)
    }

    fn tool_finished(&mut self, tool: &str, output: &ToolOutput, metering: &Metering) -> Result<(), CliError> {
        let colour = self.terminal.talk_colour;
        let time = duration(Duration::from_micros(metering.wall_us));
        let mark = if output.is_error { colour.paint(Style::Bad, "✗") } else { colour.paint(Style::Good, "✓") };
        let name = colour.paint(Style::Note, tool);
        self.aside(&format!("{mark} {name} {time}: {}", describe(output)))
    }

    /// What it took, for people who watch.
    fn end(&mut self, usage: &Usage) -> Result<(), CliError> {
        self.end_line()?;
        if self.terminal.talk_is_screen {
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

fn describe(output: &ToolOutput) -> String {
    let piece = |content: &ToolContent| match content {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => value.to_string(),
        ToolContent::Image { media_type, .. } => format!("({media_type})"),
    };
    shortened(&output.content.iter().map(piece).collect::<Vec<_>>().join(" "), TOOL_TEXT)
}
