//! The commands, one file each.

mod config;

use std::path::Path;

use crate::{
    Env, Home,
    cli::{Cli, Command, Global},
    config::{Flags, Loaded, Sources},
    error::{CliError, Exit},
    terminal::Terminal,
};

/// Runs one command.
pub(crate) fn run(cli: Cli, env: &Env, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let mut context = Context { home: find_home(&cli.global, env)?, global: cli.global, env, terminal };
    match cli.command {
        Command::Config(command) => config::run(command, &mut context),
    }
}

/// What every command has.
pub(crate) struct Context<'a> {
    pub(crate) home: Home,
    pub(crate) env: &'a Env,
    pub(crate) terminal: &'a mut Terminal,
    global: Global,
}

impl Context<'_> {
    /// Reads the config.
    pub(crate) fn config(&self, flags: &Flags) -> Result<Loaded, CliError> {
        let sources =
            Sources { file: self.global.config.as_deref(), home: &self.home, env: self.env, flags: flags.clone() };
        crate::config::load(&sources).map_err(|error| {
            let hints = error.hints();
            let error = CliError::of(Exit::Config, &error);
            hints.into_iter().fold(error, CliError::hint)
        })
    }
}

fn find_home(global: &Global, env: &Env) -> Result<Home, CliError> {
    Home::find(global.home.as_deref().map(Path::new), env).ok_or_else(|| {
        CliError::new(Exit::Config, "there is no home directory").hint("set HOME, or name one with --home DIR")
    })
}
