//! The composition root: reads config and command line, puts the crates together, talks to people.
//!
//! It holds no logic that another service could want: runs are the runtime's, sockets the gateway's, calls the
//! sandbox's. What is here is what only a program has: environment, files of the user, terminal, signals, exit codes.
//!
//! ```
//! let help = ["exoclawd", "config", "--help"].map(Into::into);
//! exoclawd::main(help, exoclawd::Env::default());
//! ```

mod assets;
mod audit;
mod cli;
mod command;
mod compose;
pub mod config;
mod daemon_link;
mod demo;
mod env;
mod error;
mod home;
mod keys;
mod log;
mod nearest;
mod notify;
mod openclaw;
mod plugins;
mod providers;
mod runtime_file;
mod signals;
mod telemetry;
mod terminal;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

pub use env::Env;
pub use home::Home;

/// Runs one command line and says how it ended.
pub fn main(args: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    let program = args.first().map(|program| program.to_string_lossy().into_owned());
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to fail louder than the usage error itself.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::Exit::Usage as u8));
        }
    };
    let mut terminal = terminal::Terminal::of_process(cli.global.json, &env);
    match command::run(cli, program, &env, &mut terminal) {
        Ok(exit) => exit.into(),
        Err(error) => terminal.fail(&error).into(),
    }
}
