//! `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Read the folder of an OpenClaw, of the layout with sessions.json and JSON Lines
    ///
    /// Takes the conversations that are not here yet: texts, images, tool calls and their results, with their times. Proposes
    /// its providers, agents and bindings for the config, without keys and tokens, and writes them after asking. Says what it
    /// took and what it left, and why. The daemon must not run; the folder is only read.
    Openclaw(ImportOpenclawArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportOpenclawArgs {
    /// Its folder, such as ~/.openclaw or ~/.clawdbot
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Only say what would be taken; the daemon may run meanwhile
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask nothing: write the changes of the config
    #[arg(long, short, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}
