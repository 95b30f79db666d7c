//! The terminal: taken for the full screen, and given back as it was.

use std::io::{self, Stdout, stdout};

use crossterm::{
    event::{DisableBracketedPaste, EnableBracketedPaste, Event},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use tokio::sync::mpsc;

/// Keys that wait to be handled. When full, the thread that reads them waits, and the terminal keeps the rest.
const KEYS: usize = 64;

/// The whole screen. Given back when dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    _taken: Taken,
}

struct Taken;

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        let taken = Taken;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))?, _taken: taken })
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// The next picture is drawn whole.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Nothing is left to tell whoever closed the terminal.
        execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show).ok();
        disable_raw_mode().ok();
    }
}

/// What is typed, from a thread of its own that ends with the process: a read can't be called back. Ends with the terminal.
pub(super) fn keys() -> mpsc::Receiver<Event> {
    let (keys, receiver) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if keys.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}
