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
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

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
    /// Stdout is a screen, not a file or pipe.
    pub(crate) out_is_screen: bool,
    /// Stderr is a screen.
    pub(crate) talk_is_screen: bool,
    out: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
}

impl Terminal {
    /// That of this process.
    pub(crate) fn of_process(json: bool, env: &Env) -> Self {
        // https://no-color.org: set and not empty means no colour.
        let wanted = env.get("NO_COLOR").unwrap_or_default().is_empty() && env.get("TERM") != Some("dumb");
        let (out_is_screen, talk_is_screen) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json,
            out_colour: Palette(wanted && !json && out_is_screen),
            talk_colour: Palette(wanted && talk_is_screen),
            interactive: io::stdin().is_terminal() && talk_is_screen,
            out_is_screen,
            talk_is_screen,
            out: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
        }
    }

    /// A line of data.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Data without a line end, shown at once. Whoever wrote it can't steer the screen.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        if self.out_is_screen {
            self.out.write_all(printable(text).as_bytes())?;
        } else {
            self.out.write_all(text.as_bytes())?;
        }
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

/// JSON of others on one line, exactly, with what would steer a screen as JSON's own escapes: it reads back as the same.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if steers(character) || matches!(character, '\n' | '\t' | '\u{2028}' | '\u{2029}') {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

fn steers(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Text of others, without what would steer a screen: control characters other than line end and tab, and marks that
/// turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// The start of a text, on one line.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let line: String = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A time as people read it.
pub(crate) fn duration(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0 if seconds < 0.001 => format!("{} µs", time.as_micros()),
        0 if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        0 => format!("{:.0} ms", seconds * 1e3),
        1..=59 => format!("{seconds:.1} s"),
        60..=3599 => format!("{} min", time.as_secs() / 60),
        3600..=86_399 => format!("{} h {} min", time.as_secs() / 3600, time.as_secs() % 3600 / 60),
        _ => format!("{} d {} h", time.as_secs() / 86_400, time.as_secs() % 86_400 / 3600),
    }
}

/// A size as people read it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| count >= *size) {
        // Precise enough for people.
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / size as f64),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, duration, escaped, printable, shortened};

    #[test]
    fn text_of_others_can_not_steer_the_screen() {
        assert_eq!(printable("a\x1b[2J\u{9b}1m\tb\n\u{202e}c\r"), "a\u{fffd}[2J\u{fffd}1m\tb\n\u{fffd}c\u{fffd}");
        assert_eq!(printable("Grüße 👋🏽 العربية"), "Grüße 👋🏽 العربية");
    }

    #[test]
    fn arguments_are_shown_exactly_and_steer_nothing() {
        let input = serde_json::json!({ "a": "x\x1b[2J\u{9b}1m\u{202e}\u{2028}\r\n\u{7f}ü" });
        let shown = escaped(&input.to_string());
        assert!(shown.chars().all(|c| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), input);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü\n  ß", 10), "äöü ß");
        assert_eq!(shortened("äöüß", 3), "äöü…");
    }

    #[test]
    fn times_and_sizes_read_well() {
        let times =
            [900, 1_500, 15_400, 2_500_000, 90_000_000, 7_260_000_000, 90_000_000_000].map(Duration::from_micros);
        assert_eq!(times.map(duration), ["900 µs", "1.5 ms", "15 ms", "2.5 s", "1 min", "2 h 1 min", "1 d 1 h"]);
        assert_eq!([512, 2048, 3 << 20].map(bytes), ["512 B", "2.0 KiB", "3.0 MiB"]);
    }
}
