//! The commands, one file each.

mod approval;
mod audit;
mod channel;
mod chat;
mod config;
mod cron;
mod device;
mod gateway;
mod import;
mod onboard;
mod open;
mod plugin;
mod run;
mod sandbox;
mod secret;
mod session;
mod status;
mod store;
mod tls;
mod token;
mod usage;

use std::path::Path;

use crate::{
    Env, Home,
    cli::{Cli, Command, Global, SandboxCommand},
    config::{ConfigError, Edit, EditError, Flags, Loaded, Sources},
    error::{CliError, Exit},
    terminal::Terminal,
};

/// Runs one command.
pub(crate) fn run(cli: Cli, program: Option<String>, env: &Env, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let home = find_home(&cli.global, env)?;
    let mut context = Context { home, program, global: cli.global, env, terminal };
    match cli.command {
        Command::Gateway(args) => gateway::run(args, &mut context),
        Command::Status => wait_for(status::run(&mut context)),
        Command::Usage { session } => wait_for(usage::run(session, &mut context)),
        Command::Chat(args) => wait_for(chat::run(args, &mut context)),
        Command::Approval(command) => wait_for(approval::run(command, &mut context)),
        Command::Channel(command) => wait_for(channel::run(command, &mut context)),
        Command::Device(command) => wait_for(device::run(command, &mut context)),
        Command::Cron(command) => wait_for(cron::run(command, &mut context)),
        Command::Open(args) => wait_for(open::run(&args, &mut context)),
        Command::Token(command) => wait_for(token::run(command, &mut context)),
        Command::Tls(command) => tls::run(command, &mut context),
        Command::Onboard(args) => onboard::run(args, &mut context),
        Command::Plugin(command) => plugin::run(command, &mut context),
        Command::Sandbox(SandboxCommand::Verify) => sandbox::verify(&mut context),
        Command::Secret(command) => secret::run(command, &mut context),
        Command::Config(command) => config::run(command, &mut context),
        Command::Session(command) => session::run(command, &mut context),
        Command::Import(command) => import::run(&command, &mut context),
        Command::Run(command) => run::run(command, &mut context),
        Command::Store(command) => store::run(command, &mut context),
        Command::Audit(command) => audit::run(command, &mut context),
    }
}

/// What every command has.
pub(crate) struct Context<'a> {
    pub(crate) home: Home,
    pub(crate) env: &'a Env,
    pub(crate) terminal: &'a mut Terminal,
    /// As it was called.
    program: Option<String>,
    global: Global,
}

impl Context<'_> {
    /// How this program can be called again, for this home.
    pub(crate) fn program(&self) -> String {
        // Whoever gave a path may not have it in their PATH.
        let named = self.program.as_deref().filter(|program| program.contains(std::path::MAIN_SEPARATOR));
        let home = self.global.home.as_ref().map(|home| format!(" --home {}", home.display()));
        format!("{}{}", named.unwrap_or("exoclawd"), home.unwrap_or_default())
    }

    /// Reads the config.
    pub(crate) fn config(&self, flags: &Flags) -> Result<Loaded, CliError> {
        crate::config::load(&self.sources(self.global.config.as_deref(), flags)).map_err(config_error)
    }

    /// Reads the config for a change: a file that is named need not be there yet.
    pub(crate) fn config_to_change(&self) -> Result<Loaded, CliError> {
        let mut sources = self.sources(self.global.config.as_deref(), &Flags::default());
        sources.may_be_absent = true;
        crate::config::load(&sources).map_err(config_error)
    }

    /// Begins a change of the config file.
    pub(crate) fn edit(&self, loaded: &Loaded) -> Result<Edit, CliError> {
        Edit::open(&loaded.path).map_err(edit_error)
    }

    /// Writes a change of the config file, if the result is a valid config.
    pub(crate) fn save(&self, edit: &Edit) -> Result<(), CliError> {
        let check = |path: &Path| crate::config::load(&self.sources(Some(path), &Flags::default())).map(drop);
        edit.save(check).map_err(edit_error)
    }

    fn sources<'s>(&'s self, file: Option<&'s Path>, flags: &Flags) -> Sources<'s> {
        Sources { file, home: &self.home, env: self.env, flags: flags.clone(), may_be_absent: false }
    }

    /// Asks yes or no; whoever can't be asked says no.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        if !self.terminal.interactive {
            return Err(
                CliError::new(Exit::Usage, format!("{question} nobody can be asked here")).hint("agree with --yes")
            );
        }
        let answer = self.question(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a line.
    pub(crate) fn question(&mut self, question: &str) -> Result<String, CliError> {
        self.terminal.ask(question)?;
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        read.map_err(|error| CliError::new(Exit::Io, "read the answer").because(error))?;
        Ok(line.trim().to_owned())
    }
}

fn config_error(error: ConfigError) -> CliError {
    let hints = error.hints();
    let error = CliError::of(Exit::Config, &error);
    hints.into_iter().fold(error, CliError::hint)
}

fn edit_error(error: EditError) -> CliError {
    match error {
        EditError::Config(error) => config_error(error),
        EditError::Form { .. } => CliError::of(Exit::Config, error),
        EditError::Write { .. } => CliError::of(Exit::Io, error),
    }
}

/// Runs a command that talks to others, on this thread.
fn wait_for<T>(command: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(Exit::Io, "start the event loop").because(error))?.block_on(command)
}

fn find_home(global: &Global, env: &Env) -> Result<Home, CliError> {
    Home::find(global.home.as_deref().map(Path::new), env).ok_or_else(|| {
        CliError::new(Exit::Config, "there is no home directory").hint("set HOME, or name one with --home DIR")
    })
}
