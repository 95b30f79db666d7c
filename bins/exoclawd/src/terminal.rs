//! What people and scripts see: data on stdout, talk on stderr, colour only where it is wanted.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::{
    Env,
    error::{CliError, Exit, chain},
};

/// How a piece of text looks on a terminal that has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Note,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Note => "36",
        }
    }
}

/// Text that may be coloured.
#[derive(Debug)]
pub(crate) struct Painted<T> {
    text: T,
    style: Option<Style>,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => {
                write!(f, "\x1b[{}m", style.code())?;
                self.text.fmt(f)?;
                f.write_str("\x1b[0m")
            }
            None => self.text.fmt(f),
        }
    }
}

/// Decides about colour for one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette(bool);

impl Palette {
    pub(crate) fn paint<T: fmt::Display>(self, style: Style, text: T) -> Painted<T> {
        Painted { text, style: self.0.then_some(style) }
    }
}

/// The two streams of a command.
pub(crate) struct Terminal {
    /// Machine-readable output is wanted.
    pub(crate) json: bool,
    /// Colour on stdout.
    pub(crate) out_colour: Palette,
    /// Colour on stderr.
    pub(crate) talk_colour: Palette,
    /// Someone is there to answer questions.
    pub(crate) interactive: bool,
    out: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
}

impl Terminal {
    /// That of this process.
    pub(crate) fn of_process(json: bool, env: &Env) -> Self {
        // https://no-color.org: set and not empty means no colour.
        let wanted = env.get("NO_COLOR").unwrap_or_default().is_empty() && env.get("TERM") != Some("dumb");
        Self {
            json,
            out_colour: Palette(wanted && !json && io::stdout().is_terminal()),
            talk_colour: Palette(wanted && io::stderr().is_terminal()),
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            out: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
        }
    }

    /// A line of data.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Data without a line end, shown at once.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// One JSON value as a line of data.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A line of talk.
    pub(crate) fn say(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.talk, "{text}")
    }

    /// Talk without a line end, shown at once.
    pub(crate) fn ask(&mut self, text: &str) -> io::Result<()> {
        self.talk.write_all(text.as_bytes())?;
        self.talk.flush()
    }

    /// Something that works, but should be changed.
    pub(crate) fn notice(&mut self, text: impl fmt::Display) -> io::Result<()> {
        let label = self.talk_colour.paint(Style::Note, "notice:");
        writeln!(self.talk, "{label} {text}")
    }

    /// Shows why a command failed. With `--json` the error is data as well.
    pub(crate) fn fail(&mut self, error: &CliError) -> Exit {
        let message = chain(error);
        let shown = if self.json {
            let body = serde_json::json!({ "kind": error.exit.name(), "message": message, "hints": error.hints });
            self.value(&serde_json::json!({ "error": body }))
        } else {
            self.explain(&message, &error.hints)
        };
        // Nothing is left to tell whoever closed the streams.
        shown.ok();
        error.exit
    }

    fn explain(&mut self, message: &str, hints: &[String]) -> io::Result<()> {
        let label = self.talk_colour.paint(Style::Bad, "error:");
        writeln!(self.talk, "{label} {message}")?;
        for hint in hints {
            let label = self.talk_colour.paint(Style::Note, "hint:");
            writeln!(self.talk, "  {label} {hint}")?;
        }
        Ok(())
    }
}
