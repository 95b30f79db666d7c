//! The composition root: reads config and command line, puts the crates together, talks to people.
//!
//! It holds no logic that another service could want: runs are the runtime's, sockets the gateway's, calls the
//! sandbox's. What is here is what only a program has: environment, files of the user, terminal, signals, exit codes.
//!
//! ```
//! let help = ["exoclawd", "config", "--help"].map(Into::into);
//! exoclawd::main(help, exoclawd::Env::default());
//! ```

#![expect(dead_code, reason = "the commands that use all of it follow")]

mod cli;
mod command;
pub mod config;
mod env;
mod error;
mod home;
mod keys;
mod nearest;
mod terminal;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

pub use env::Env;
pub use home::Home;

/// Runs one command line and says how it ended.
pub fn main(args: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to fail louder than the usage error itself.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::Exit::Usage as u8));
        }
    };
    let mut terminal = terminal::Terminal::of_process(cli.global.json, &env);
    match command::run(cli, &env, &mut terminal) {
        Ok(exit) => exit.into(),
        Err(error) => terminal.fail(&error).into(),
    }
}
