//! How a command fails: an exit code for scripts, a message and hints for people.

use std::{error::Error, fmt, process::ExitCode};

/// Exit codes, those of `sysexits.h` where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Ok = 0,
    /// The command was understood and failed.
    Failed = 1,
    /// The command line can't be understood.
    Usage = 2,
    /// Input that was given is broken (`EX_DATAERR`).
    Data = 65,
    /// A daemon, server or port is not to be had (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A file can't be read or written (`EX_IOERR`).
    Io = 74,
    /// A credential is missing or wrong (`EX_NOPERM`).
    Permission = 77,
    /// The config is wrong (`EX_CONFIG`).
    Config = 78,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

/// Shown below `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    all went well
  1    the command failed
  2    the command line can't be understood
  65   a file or argument is broken
  69   the daemon, a server or a port is not to be had
  74   a file can't be read or written
  77   a credential is missing or wrong
  78   the config is wrong
  130  stopped by Ctrl-C";

impl Exit {
    /// The name for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Data => "data",
            Self::Unavailable => "unavailable",
            Self::Io => "io",
            Self::Permission => "permission",
            Self::Config => "config",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What the process ends with.
    pub(crate) exit: Exit,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    /// What helps, one sentence each.
    pub(crate) hints: Vec<String>,
}

impl CliError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), source: None, hints: Vec::new() }
    }

    /// An error that says by itself what was being done.
    pub(crate) fn of(exit: Exit, error: impl Error) -> Self {
        Self::new(exit, chain(&error))
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Writing to a terminal that went away.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Io, "write the output").because(error)
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries repeat their cause in their own message.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
