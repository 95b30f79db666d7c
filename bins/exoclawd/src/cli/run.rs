//! The grammar of `run`.

use std::path::PathBuf;

use clap::Subcommand;
use exoclaw_protocol::{PluginName, RunId};

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Show what happened in a run, with what it cost
    ///
    /// The daemon may run meanwhile, and so may the run.
    Show {
        /// Its id, as clients are told it
        #[arg(value_name = "RUN")]
        run: RunId,
    },
    /// Run the tools of a run again and compare what they give back
    ///
    /// The model says what it said then: nobody is asked. The tools really run, but can change nothing: no request leaves, no
    /// secret is lent, directories are copies, and stores of their own are empty. Calls of plugins with `record = true` are
    /// told what they were told then: clock, random bytes, values of their store, responses and files. Ends with 1 where
    /// anything is different.
    Replay {
        /// Its id, as clients are told it
        #[arg(value_name = "RUN")]
        run: RunId,
        /// Another version of a plugin, to see what it would have done
        #[arg(long, value_name = "NAME=FILE", value_parser = replacement)]
        plugin: Vec<(PluginName, PathBuf)>,
    },
}

fn replacement(text: &str) -> Result<(PluginName, PathBuf), String> {
    let (name, file) =
        text.split_once('=').ok_or("want a plugin's name, `=` and a file, such as notes=./notes.wasm")?;
    Ok((name.parse().map_err(|error: exoclaw_protocol::IdError| error.to_string())?, file.into()))
}
