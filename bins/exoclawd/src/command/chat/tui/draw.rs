//! Draws what the screen knows.

mod look;
mod markdown;
#[cfg(test)]
mod tests;
mod thread;
mod wrap;

use exoclaw_client::State as Link;
use exoclaw_protocol::{Approval, Effect, SessionInfo};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph},
};

pub(super) use self::look::Look;
use self::{
    thread::{Cache, Shape},
    wrap::{lines, wrap},
};
use super::state::{Break, Drawn, Mark, State, conversation::Phase};
use crate::terminal::{escaped, printable, shortened};

/// Columns from which on the list of sessions stands beside the conversation.
const WIDE: u16 = 92;

/// Columns of the list of sessions.
const LIST: u16 = 30;

/// Columns of text at most: longer lines are hard to read.
const TEXT: u16 = 100;

/// Lines that may be seen of what is typed.
const COMPOSER_LINES: usize = 8;

/// Draws one picture after the other, and keeps of each what the next may use.
#[derive(Debug)]
pub(super) struct Artist {
    look: Look,
    cache: Cache,
}

impl Artist {
    pub(super) fn new(look: Look) -> Self {
        Self { look, cache: Cache::default() }
    }

    /// Draws, and says where things are.
    pub(super) fn draw(&mut self, state: &State, frame: &mut Frame<'_>) -> Drawn {
        let look = self.look;
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
        header(state, look, frame, head);
        footer(state, look, frame, foot);
        let is_wide = body.width >= WIDE;
        let main = match (is_wide, state.chosen) {
            (true, _) => {
                let [list, main] = Layout::horizontal([Constraint::Length(LIST), Constraint::Fill(1)]).areas(body);
                sessions(state, look, frame, list);
                main
            }
            (false, Some(_)) => {
                sessions(state, look, frame, body);
                return Drawn::default();
            }
            (false, None) => body,
        };
        let composer = composed(state, look, main.width);
        let question = state.question().map(|question| asked(question, state.now_ms, look, main.width));
        let for_question = question.as_ref().map_or(0, |(lines, _)| height(lines.len()).min(main.height / 2));
        let areas = [
            Constraint::Fill(1),
            Constraint::Length(for_question),
            Constraint::Length(height(composer.0.len().min(COMPOSER_LINES)) + 1),
        ];
        let [above, asks, below] = Layout::vertical(areas).areas(main);
        let (lines, seen) = self.conversation(state, frame, above);
        let question = question.and_then(|(lines, what)| {
            let rest = show_question(state, &lines, what, look, frame, asks);
            Some((state.question()?.id.clone(), rest))
        });
        compose(state, composer, look, frame, below);
        if state.help {
            help(look, frame, body);
        }
        Drawn { lines, height: seen, question }
    }

    /// The lines in all, and those that are seen.
    fn conversation(&mut self, state: &State, frame: &mut Frame<'_>, area: Rect) -> (usize, usize) {
        let look = self.look;
        let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2).min(TEXT), ..area };
        let shape = Shape { width: usize::from(area.width), details: state.details };
        let conversation = &state.conversation;
        let mut lines = self.cache.lines(&conversation.turns, shape, look, state.now_ms);
        let word = match (&conversation.phase, state.broke) {
            (Phase::Failed(why), _) => Some((format!("the conversation could not be read: {why}"), look.bad())),
            (Phase::Loading, _) if lines.is_empty() => Some(("reading the conversation …".to_owned(), look.faint())),
            (Phase::Ready, _) if lines.is_empty() => {
                Some(("A new conversation. Write something, and press Enter.".to_owned(), look.faint()))
            }
            (_, Some(Break::Resumed)) => {
                Some(("— the connection broke and came back; the conversation goes on —".to_owned(), look.faint()))
            }
            (_, Some(Break::Read)) => {
                let text = "— the connection broke and came back; the conversation was read again —";
                Some((text.to_owned(), look.faint()))
            }
            _ => None,
        };
        if let Some((text, style)) = word {
            lines.extend(wrap(&[Span::styled(printable(&text), style)], shape.width));
        } else {
            // The blank line after the last turn.
            lines.pop();
        }
        let seen = usize::from(area.height);
        let last = lines.len().saturating_sub(seen);
        let top = state.top.unwrap_or(last).min(last);
        let all = lines.len();
        let shown: Vec<_> = lines.into_iter().skip(top).take(seen).collect();
        frame.render_widget(Paragraph::new(shown), area);
        if top < last {
            let more = format!(" ↓ {} more lines ", all - top - seen);
            let width = (more.chars().count() as u16).min(area.width);
            let corner = Rect { x: area.right() - width, y: area.bottom().saturating_sub(1), width, height: 1 };
            frame.render_widget(Line::styled(more, look.chosen()), corner);
        }
        (all, seen)
    }
}

fn height(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn header(state: &State, look: Look, frame: &mut Frame<'_>, area: Rect) {
    let (mark, words, style) = match &state.link {
        Link::Open => ("●", "connected".to_owned(), look.good()),
        Link::Connecting => ("○", "connecting".to_owned(), look.faint()),
        Link::Waiting { why, .. } => ("○", format!("away, trying again: {}", shortened(why, 60)), look.asks()),
        Link::Closed { reason } => ("○", shortened(&reason.to_string(), 60), look.bad()),
    };
    let key = state.target().to_string();
    let status = Line::from(vec![Span::styled(format!("{mark} "), style), Span::styled(words, style), Span::raw(" ")]);
    let right = (status.width() as u16).min(area.width);
    let title =
        Line::from(vec![Span::styled(" exoclaw ", look.strong()), Span::styled(shortened(&key, 60), look.accent())]);
    let [left, status_area] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(right)]).areas(area);
    frame.render_widget(title, left);
    frame.render_widget(status, status_area);
}

fn footer(state: &State, look: Look, frame: &mut Frame<'_>, area: Rect) {
    let line = match &state.notice {
        Some(notice) => Line::styled(format!(" {}", shortened(notice, 200)), look.asks()),
        None => {
            let keys: &[(&str, &str)] = match (state.chosen, state.conversation.is_busy()) {
                (Some(_), _) => &[("↑↓", "choose"), ("Enter", "open"), ("n", "new"), ("Tab", "back")],
                (None, true) => &[("Esc", "stop"), ("Tab", "conversations"), ("Ctrl-O", "details"), ("F1", "keys")],
                (None, false) => &[
                    ("Enter", "send"),
                    ("Tab", "conversations"),
                    ("Ctrl-O", "details"),
                    ("F1", "keys"),
                    ("Ctrl-C", "leave"),
                ],
            };
            let hint = |(key, what): &(&'static str, &'static str)| {
                [Span::styled(format!(" {key} "), look.strong()), Span::styled(format!("{what} "), look.faint())]
            };
            Line::from(keys.iter().flat_map(hint).collect::<Vec<_>>())
        }
    };
    frame.render_widget(line, area);
}

fn sessions(state: &State, look: Look, frame: &mut Frame<'_>, area: Rect) {
    let inner = usize::from(area.width).saturating_sub(4);
    let is_shown = |info: &SessionInfo| state.conversation.session.as_ref() == Some(&info.session);
    let line = |(at, info): (usize, &SessionInfo)| {
        let (mark, style) = match state.marks.get(&info.session) {
            Some(Mark::Asks) => ("?", look.asks()),
            Some(Mark::Unread) => ("•", look.accent()),
            None if info.active => ("·", look.accent()),
            None => (" ", look.plain()),
        };
        let label = info.settings.label.as_deref().or(info.title.as_deref());
        let title = shortened(label.unwrap_or(info.session.as_str()), inner.saturating_sub(1));
        let style_of_title = match (state.chosen == Some(at), is_shown(info)) {
            (true, _) => look.chosen(),
            (false, true) => look.accent().patch(look.strong()),
            (false, false) => look.plain(),
        };
        Line::from(vec![Span::styled(format!(" {mark} "), style), Span::styled(title, style_of_title)])
    };
    let heading = Line::styled(" conversations", look.faint());
    let seen = usize::from(area.height).saturating_sub(1).max(1);
    let from = state.chosen.map_or(0, |at| (at + 1).saturating_sub(seen));
    let entries = state.sessions.iter().enumerate().skip(from).take(seen).map(line);
    frame.render_widget(Paragraph::new(std::iter::once(heading).chain(entries).collect::<Vec<_>>()), area);
    for y in area.top()..area.bottom() {
        frame.render_widget(Span::styled("│", look.faint()), Rect { x: area.right() - 1, y, width: 1, height: 1 });
    }
}

/// The lines of a question, and how long it may still be answered.
fn asked(question: &Approval, now_ms: u64, look: Look, width: u16) -> (Vec<Line<'static>>, String) {
    let left = match question.expires_ms.saturating_sub(now_ms) / 1_000 {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    };
    let inner = usize::from(width).saturating_sub(4);
    let effect = match question.effect {
        Effect::Pure => "computes",
        Effect::Read => "reads",
        Effect::Idempotent => "changes something, and nothing more when it is repeated",
        Effect::Once => "changes something each time",
    };
    let head = vec![
        Span::styled(escaped(&question.tool), look.strong()),
        Span::raw(format!(" ({effect}) wants to be called with exactly these arguments:")),
    ];
    let mut shown = wrap(&head, inner);
    shown.extend(lines(&escaped(&question.input.to_string()), look.code()).iter().flat_map(|line| wrap(line, inner)));
    // One line above for the frame, one below for the keys.
    shown.insert(0, Line::default());
    shown.push(Line::default());
    (shown, left)
}

/// Shows as much of a question as there is room for; gives the lines that are not seen yet.
fn show_question(
    state: &State,
    lines: &[Line<'static>],
    left: String,
    look: Look,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let text = &lines[1..lines.len().saturating_sub(1).max(1)];
    let room = usize::from(area.height.saturating_sub(2)).max(1);
    let top = state.question_top.min(text.len().saturating_sub(room));
    let rest = text.len().saturating_sub(top + room);
    let waiting = state.conversation.questions.len();
    let others = if waiting > 1 { format!(", {} more wait", waiting - 1) } else { String::new() };
    let mut shown = vec![Line::styled(format!(" ? waits to be allowed, for {left}{others}"), look.asks())];
    let bar = Span::styled(" ┃ ", look.asks());
    shown.extend(text.iter().skip(top).take(room).map(|line| {
        let mut line = line.clone();
        line.spans.insert(0, bar.clone());
        line
    }));
    let more = if rest > 0 { format!("   ↓ {rest} more lines: read them first") } else { String::new() };
    let yes = if rest > 0 { look.faint() } else { look.good().patch(look.strong()) };
    shown.push(Line::from(vec![
        bar,
        Span::styled("Ctrl-Y", yes),
        Span::raw(" allow once   "),
        Span::styled("Ctrl-N", look.bad().patch(look.strong())),
        Span::raw(" deny"),
        Span::styled(more, look.asks()),
    ]));
    frame.render_widget(Paragraph::new(shown), area);
    rest
}

/// What is typed as lines, and where the cursor is in them.
fn composed(state: &State, look: Look, width: u16) -> (Vec<Line<'static>>, usize, usize) {
    let inner = usize::from(width).saturating_sub(4).max(1);
    let broken = |text: &str| -> Vec<Line<'static>> {
        lines(text, look.plain()).iter().flat_map(|line| wrap(line, inner)).collect()
    };
    // With a mark where the cursor is, the line breaks are those that are shown.
    let before = broken(&format!("{}\u{2588}", state.composer.before()));
    let row = before.len() - 1;
    let column = before.last().map_or(0, |line| line.width().saturating_sub(1));
    let mut shown = broken(state.composer.text());
    if shown.len() <= row {
        shown.push(Line::default());
    }
    (shown, row, column)
}

fn compose(
    state: &State,
    (shown, row, column): (Vec<Line<'static>>, usize, usize),
    look: Look,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let has_keys = state.chosen.is_none();
    let style = if has_keys { look.accent() } else { look.faint() };
    let rule = Rect { height: 1, ..area };
    frame.render_widget(Line::styled("─".repeat(usize::from(area.width)), look.faint()), rule);
    let room = usize::from(area.height).saturating_sub(1);
    let top = (row + 1).saturating_sub(room);
    let lines = shown.into_iter().enumerate().skip(top).take(room).map(|(at, mut line)| {
        line.spans.insert(0, Span::styled(if at == 0 { " > " } else { "   " }, style));
        line
    });
    let mut lines: Vec<_> = lines.collect();
    if state.composer.is_empty() {
        let words = if state.conversation.is_busy() { "Say something more" } else { "Message" };
        lines = vec![Line::from(vec![Span::styled(" > ", style), Span::styled(words, look.faint())])];
    }
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    frame.render_widget(Paragraph::new(lines), below);
    if has_keys {
        let (x, y) = (below.x + 3 + height(column), below.y + height(row.saturating_sub(top)));
        frame.set_cursor_position(Position::new(x.min(below.right().saturating_sub(1)), y));
    }
}

/// What every key does.
fn help(look: Look, frame: &mut Frame<'_>, area: Rect) {
    const KEYS: [(&str, &str); 16] = [
        ("Enter", "send"),
        ("Ctrl-J, Alt-Enter", "a new line"),
        ("Esc, Ctrl-C", "stop what is under way"),
        ("Ctrl-Y", "allow the call that is asked for, once"),
        ("Ctrl-N", "deny it"),
        ("Ctrl-R", "send again what was not sent"),
        ("Ctrl-O", "everything about calls and thoughts, or less"),
        ("↑ ↓, PgUp PgDn", "scroll; Esc goes back to the end"),
        ("Ctrl-Home, Ctrl-End", "to the beginning, to the end"),
        ("Tab", "conversations; there: ↑ ↓, Enter opens, n begins one"),
        ("Ctrl-A, Ctrl-E", "to the start, to the end of the line"),
        ("Ctrl-W", "delete the word before"),
        ("Ctrl-U, Ctrl-K", "delete to the start, to the end of the line"),
        ("Ctrl-L", "draw the screen again"),
        ("Ctrl-C, Ctrl-D", "leave, where nothing is typed and nothing under way"),
        ("F1, ?", "this"),
    ];
    let width = 80.min(area.width);
    let rows = (height(KEYS.len()) + 2).min(area.height);
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - rows) / 2);
    let place = Rect { x, y, width, height: rows };
    let row = |(key, what): &(&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!(" {key:<21}"), look.strong()), Span::raw(*what)])
    };
    let frame_of = Block::bordered().border_type(BorderType::Rounded).border_style(look.accent());
    let frame_of = frame_of.title(" keys ").title_bottom(" any key goes on ");
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(KEYS.iter().map(row).collect::<Vec<_>>()).block(frame_of), place);
}
