//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use exoclaw_protocol::{SessionRef, Verdict};

use super::{Command, State};

impl State {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        self.notice = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        if std::mem::take(&mut self.help) {
            return Vec::new();
        }
        match key.code {
            KeyCode::F(1) => self.help = true,
            KeyCode::PageUp => self.scroll_up(self.page()),
            KeyCode::PageDown => self.scroll_down(self.page()),
            KeyCode::Tab | KeyCode::BackTab => self.choose(),
            _ if self.chosen.is_some() => return self.in_list(key.code),
            code => return self.in_composer(code, key.modifiers),
        }
        Vec::new()
    }

    fn control(&mut self, code: KeyCode) -> Vec<Command> {
        match code {
            KeyCode::Char('c') if self.conversation.is_busy() => return vec![Command::Abort(self.target())],
            KeyCode::Char('c') if self.composer.is_empty() => return vec![Command::Quit],
            KeyCode::Char('c') => drop(self.composer.take()),
            KeyCode::Char('d') if self.composer.is_empty() => return vec![Command::Quit],
            KeyCode::Char('y') => return self.answer(Verdict::Allow),
            KeyCode::Char('n') => return self.answer(Verdict::Deny),
            KeyCode::Char('o') => self.details = !self.details,
            KeyCode::Char('l') => return vec![Command::Redraw],
            KeyCode::Char('r') => {
                if let Some((text, key)) = self.conversation.send_again() {
                    return vec![Command::Send { session: self.target(), text, key }];
                }
            }
            KeyCode::Char('j') => self.type_in("\n"),
            KeyCode::Char('a') => self.composer.home(),
            KeyCode::Char('e') => self.composer.end(),
            KeyCode::Char('w') => self.composer.delete_word(),
            KeyCode::Char('u') => self.composer.delete_to_start(),
            KeyCode::Char('k') => self.composer.delete_to_end(),
            KeyCode::Home => self.top = (self.drawn.lines > self.drawn.height).then_some(0),
            KeyCode::End => self.top = None,
            _ => {}
        }
        Vec::new()
    }

    /// Answers the call that is asked for. What was not seen to its end can't be allowed.
    fn answer(&mut self, verdict: Verdict) -> Vec<Command> {
        let Some(question) = self.question() else { return self.say("nothing waits to be allowed") };
        let seen = self.drawn.question.as_ref().filter(|(id, _)| *id == question.id);
        match (verdict, seen) {
            (Verdict::Allow, None) => Vec::new(),
            (Verdict::Allow, Some((_, rest @ 1..))) => {
                self.question_top += rest.min(&self.drawn.height);
                self.say("there is more of it: read to the end, then allow it")
            }
            (Verdict::Allow, Some(_)) | (Verdict::Deny, _) => {
                vec![Command::Resolve(Box::new(question.clone()), verdict)]
            }
        }
    }

    fn in_list(&mut self, code: KeyCode) -> Vec<Command> {
        let last = self.sessions.len().saturating_sub(1);
        let at = self.chosen.unwrap_or_default();
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.chosen = Some(at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.chosen = Some((at + 1).min(last)),
            KeyCode::Home => self.chosen = Some(0),
            KeyCode::End => self.chosen = Some(last),
            KeyCode::Char('n') => return self.open_new(),
            KeyCode::Char('?') => self.help = true,
            KeyCode::Esc => self.chosen = None,
            KeyCode::Enter => {
                let session = self.sessions.get(at).map(|session| session.session.clone());
                self.chosen = None;
                if let Some(session) = session.filter(|session| self.conversation.session.as_ref() != Some(session)) {
                    return self.open(SessionRef::Key(session));
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn in_composer(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Command> {
        match code {
            KeyCode::Enter if modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT) => self.type_in("\n"),
            KeyCode::Enter if self.composer.text().trim().is_empty() => {}
            KeyCode::Enter => {
                let text = self.composer.take();
                return self.send(text);
            }
            KeyCode::Esc if self.conversation.is_busy() => return vec![Command::Abort(self.target())],
            KeyCode::Esc => self.top = None,
            KeyCode::Char('?') if self.composer.is_empty() => self.help = true,
            KeyCode::Char(c) => self.type_in(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.composer.backspace(),
            KeyCode::Delete => self.composer.delete(),
            KeyCode::Left => self.composer.left(),
            KeyCode::Right => self.composer.right(),
            KeyCode::Home => self.composer.home(),
            KeyCode::End => self.composer.end(),
            KeyCode::Up if self.question_rest().is_some() && self.composer.is_empty() => {
                self.question_top = self.question_top.saturating_sub(1);
            }
            KeyCode::Down if self.question_rest().is_some() && self.composer.is_empty() => {
                self.question_top += usize::from(self.question_rest() > Some(0));
            }
            KeyCode::Up if self.composer.is_empty() || !self.composer.up() => self.scroll_up(1),
            KeyCode::Down if self.composer.is_empty() || !self.composer.down() => self.scroll_down(1),
            _ => {}
        }
        Vec::new()
    }

    fn choose(&mut self) {
        let shown = self.sessions.iter().position(|info| self.conversation.session.as_ref() == Some(&info.session));
        self.chosen = if self.chosen.is_some() { None } else { Some(shown.unwrap_or_default()) };
    }

    /// Lines of the question that are not seen yet.
    fn question_rest(&self) -> Option<usize> {
        self.drawn.question.as_ref().map(|(_, rest)| *rest)
    }

    fn page(&self) -> usize {
        self.drawn.height.saturating_sub(2).max(1)
    }

    fn last_top(&self) -> usize {
        self.drawn.lines.saturating_sub(self.drawn.height)
    }

    fn scroll_up(&mut self, lines: usize) {
        let last = self.last_top();
        let top = self.top.unwrap_or(last).min(last).saturating_sub(lines);
        self.top = (last > 0).then_some(top);
    }

    /// At the end, the end is followed again.
    fn scroll_down(&mut self, lines: usize) {
        let last = self.last_top();
        self.top = self.top.map(|top| top + lines).filter(|top| *top < last);
    }
}
