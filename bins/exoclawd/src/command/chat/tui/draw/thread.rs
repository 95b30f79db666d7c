//! A conversation as lines.

use std::{collections::HashMap, sync::Arc, time::Duration};

use exoclaw_protocol::FailureKind;
use ratatui::text::{Line, Span};

use super::{
    super::state::turn::{Part, Progress, Tool, ToolState, Turn},
    look::Look,
    markdown,
    wrap::{lines, wrap},
};
use crate::terminal::{bytes, duration, printable, shortened};

/// Lines of a call's arguments, and of its output, that are shown with all details.
const DETAIL_LINES: usize = 200;

/// How turns are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) details: bool,
}

/// Lines of turns that have not changed. As many as there are turns on the screen.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shape: Option<Shape>,
    turns: HashMap<u64, (Arc<Turn>, Vec<Line<'static>>)>,
}

impl Cache {
    /// All lines of the turns, with what goes on in the last ones.
    pub(super) fn lines(&mut self, turns: &[Arc<Turn>], shape: Shape, look: Look, now_ms: u64) -> Vec<Line<'static>> {
        if self.shape != Some(shape) {
            self.turns.clear();
            self.shape = Some(shape);
        }
        let mut shown = Vec::new();
        let mut kept = HashMap::with_capacity(turns.len());
        for turn in turns {
            let lines = match self.turns.remove(&turn.number) {
                Some((same, lines)) if Arc::ptr_eq(&same, turn) => lines,
                _ => rendered(turn, shape, look),
            };
            shown.extend(lines.iter().cloned());
            shown.extend(going_on(turn, look, now_ms));
            shown.push(Line::default());
            kept.insert(turn.number, (Arc::clone(turn), lines));
        }
        self.turns = kept;
        shown
    }
}

fn rendered(turn: &Turn, shape: Shape, look: Look) -> Vec<Line<'static>> {
    let inner = shape.width.saturating_sub(2);
    let mut shown = Vec::new();
    if !turn.question.is_empty() || !turn.attachments.is_empty() {
        let mut question = lines(&turn.question, look.strong());
        question.extend(
            turn.attachments
                .iter()
                .map(|name| vec![Span::styled(format!("+ {}", shortened(name, inner)), look.faint())]),
        );
        let bar = Span::styled("▌ ", look.accent());
        shown.extend(question.iter().flat_map(|line| wrap(line, inner)).map(|line| before(&bar, line)));
    }
    for part in &turn.parts {
        if !shown.is_empty() {
            shown.push(Line::default());
        }
        let pad = Span::raw("  ");
        match part {
            Part::Text(text) => {
                let text = text.trim_end();
                shown.extend(markdown::rendered(text, inner, look).into_iter().map(|line| before(&pad, line)));
            }
            Part::Thinking(text) if shape.details => {
                let thought = lines(text.trim_end(), look.faint());
                shown.extend(thought.iter().flat_map(|line| wrap(line, inner)).map(|line| before(&pad, line)));
            }
            Part::Thinking(text) => {
                let thought = format!("  thought: {}", shortened(text, inner.saturating_sub(12)));
                shown.push(Line::from(Span::styled(thought, look.faint())));
            }
            Part::Tool(tool) => shown.extend(card(tool, shape, look)),
        }
    }
    let end = end(turn, inner, look);
    if !end.is_empty() && matches!(turn.parts.last(), Some(Part::Tool(_))) {
        shown.push(Line::default());
    }
    shown.extend(end);
    shown
}

fn before(mark: &Span<'static>, mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, mark.clone());
    line
}

/// How the turn ended.
fn end(turn: &Turn, width: usize, look: Look) -> Vec<Line<'static>> {
    let (text, style) = match &turn.progress {
        Progress::Failed(why) => (why.clone(), look.bad()),
        Progress::NotSent(why) => (format!("not sent: {why}; Ctrl-R sends it again"), look.bad()),
        Progress::Stopped => ("stopped".to_owned(), look.faint()),
        Progress::Joined => ("answered together with another message".to_owned(), look.faint()),
        Progress::Done => match &turn.took {
            Some((ms, usage)) => {
                let (time, usage) = (duration(Duration::from_millis(*ms)), usage);
                let text = format!("{time}, {} tokens in, {} out", usage.input_tokens, usage.output_tokens);
                (text, look.faint())
            }
            None => return Vec::new(),
        },
        Progress::Sending | Progress::Queued | Progress::Running => return Vec::new(),
    };
    let pad = Span::raw("  ");
    lines(&text, style).iter().flat_map(|line| wrap(line, width)).map(|line| before(&pad, line)).collect()
}

/// What changes with time alone.
fn going_on(turn: &Turn, look: Look, now_ms: u64) -> Option<Line<'static>> {
    const FRAMES: [&str; 4] = ["·  ", "·· ", "···", " ··"];
    let words = match turn.progress {
        Progress::Sending => "on its way",
        Progress::Queued => "waits for its turn",
        Progress::Running => "",
        Progress::NotSent(_) | Progress::Done | Progress::Stopped | Progress::Failed(_) | Progress::Joined => {
            return None;
        }
    };
    let time = turn.began_ms.map_or(0, |began| now_ms.saturating_sub(began)) / 1_000;
    let time = if time > 0 { format!(" {time} s") } else { String::new() };
    // Four pictures a second.
    let frame = FRAMES[(now_ms / 250 % 4) as usize];
    Some(Line::from(vec![
        Span::raw("  "),
        Span::styled(frame, look.accent()),
        Span::styled(format!(" {words}{time}"), look.faint()),
    ]))
}

/// A call of a tool: its name and how it went, its arguments, what it gave back.
fn card(tool: &Tool, shape: Shape, look: Look) -> Vec<Line<'static>> {
    let inner = shape.width.saturating_sub(5);
    let (mark, words, style) = status(&tool.state, look);
    let time = tool.metering.map(|metering| format!("  {}", duration(Duration::from_micros(metering.wall_us))));
    let effect = tool.effect.map(|effect| format!("  {}", effect.as_str()));
    let mut shown = vec![Line::from(vec![
        Span::styled("  ╭ ", look.faint()),
        Span::styled(format!("{mark} "), style),
        Span::styled(shortened(&tool.name, 60), look.strong()),
        Span::styled(effect.unwrap_or_default(), look.faint()),
        Span::styled(format!("  {}", shortened(&words, inner)), style),
        Span::styled(time.unwrap_or_default(), look.faint()),
    ])];
    let bar = Span::styled("  │ ", look.faint());
    let mut part = |text: &str, style| {
        if shape.details {
            let whole: Vec<_> = lines(text, style).iter().flat_map(|line| wrap(line, inner)).collect();
            let rest = whole.len().saturating_sub(DETAIL_LINES);
            shown.extend(whole.into_iter().take(DETAIL_LINES).map(|line| before(&bar, line)));
            if rest > 0 {
                shown.push(before(&bar, Line::styled(format!("… {rest} more lines"), look.faint())));
            }
        } else if !text.is_empty() {
            shown.push(before(&bar, Line::styled(shortened(text, inner.saturating_sub(1)), style)));
        }
    };
    // Where there are no arguments, there is nothing to see.
    if shape.details || tool.input != "{}" {
        part(&tool.input, look.code());
    }
    if !tool.output.is_empty() {
        part(
            tool.output.trim_end(),
            if matches!(tool.state, ToolState::Failed(_)) { look.bad() } else { look.plain() },
        );
    }
    if let Some(metering) = tool.metering.filter(|_| shape.details) {
        let text = format!(
            "fuel {}, {} at most, {} host calls, {} out, {} in",
            metering.fuel,
            bytes(metering.peak_memory),
            metering.host_calls,
            bytes(metering.bytes_out),
            bytes(metering.bytes_in)
        );
        shown.push(before(&bar, Line::styled(shortened(&text, inner), look.faint())));
    }
    if let Some(last) = shown.last_mut().filter(|line| line.spans.first() == Some(&bar)) {
        last.spans[0] = Span::styled("  ╰ ", look.faint());
    }
    shown
}

fn status(state: &ToolState, look: Look) -> (&'static str, String, ratatui::style::Style) {
    match state {
        ToolState::Asked(_) => ("?", "waits to be allowed".to_owned(), look.asks()),
        ToolState::Running(None) => ("●", "runs".to_owned(), look.accent()),
        ToolState::Running(Some((fraction, message))) => {
            let part = fraction.map_or_else(String::new, |part| format!("{:.0} % ", part * 100.0));
            ("●", format!("{part}{}", printable(message)), look.accent())
        }
        ToolState::Done => ("✓", String::new(), look.good()),
        ToolState::Denied => ("✗", "not allowed".to_owned(), look.bad()),
        ToolState::Failed(kind) => ("✗", kind.map_or("failed", failure).to_owned(), look.bad()),
        ToolState::Stopped => ("■", "stopped".to_owned(), look.faint()),
    }
}

fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::UnknownTool => "there is no such tool",
        FailureKind::InvalidArguments => "the arguments do not fit",
        FailureKind::Denied => "asked for more than it was granted",
        FailureKind::Unavailable => "not available",
        FailureKind::Cancelled => "stopped",
        FailureKind::TimedOut => "ran past its deadline",
        FailureKind::Exhausted => "used up what it may use",
        FailureKind::Crashed => "crashed",
        FailureKind::Failed => "failed",
        FailureKind::OutcomeUnknown => "interrupted: whether it took effect is not known",
    }
}
