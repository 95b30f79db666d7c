//! `run`: what happened in a run, and whether it would happen again.

mod replay;
mod scratch;
mod show;

use exoclaw_protocol::{RunId, ToolOutput};
use exoclaw_store::upkeep::{self, StoredRun};

use super::{Context, plugin::content_text, store::upkeep_error};
use crate::{
    cli::RunCommand,
    error::{CliError, Exit},
    terminal::printable,
};

pub(super) fn run(command: RunCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        RunCommand::Show { run } => show::run(&run, context),
        RunCommand::Replay { run, plugin } => replay::run(&run, &plugin, context),
    }
}

/// The run with its records; those that are damaged are named.
fn read(run: &RunId, context: &mut Context<'_>) -> Result<StoredRun, CliError> {
    let read = upkeep::read_run(&context.home.store(), run).map_err(upkeep_error)?;
    for problem in &read.damaged {
        context.terminal.say(format_args!("left out: {}", printable(&problem.to_string())))?;
    }
    Ok(read)
}

fn text(output: &ToolOutput) -> String {
    output.content.iter().map(content_text).collect::<Vec<_>>().join("\n")
}
