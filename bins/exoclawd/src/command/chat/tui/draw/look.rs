//! Colours, by meaning. Only the sixteen that every terminal has, so that they suit its own theme.

use ratatui::style::{Color, Modifier, Style};

/// How things look; without colours by weight alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) colours: bool,
}

impl Look {
    pub(super) fn plain(self) -> Style {
        Style::default()
    }

    pub(super) fn strong(self) -> Style {
        Style::default().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::default().add_modifier(Modifier::DIM)
    }

    /// What people wrote, and what has the keys.
    pub(super) fn accent(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red)
    }

    /// What wants attention.
    pub(super) fn asks(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn code(self) -> Style {
        self.colour(Color::Magenta)
    }

    pub(super) fn chosen(self) -> Style {
        Style::default().add_modifier(Modifier::REVERSED)
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::default().fg(colour) } else { Style::default() }
    }
}
