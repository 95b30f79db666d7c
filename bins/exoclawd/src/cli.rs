//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use exoclaw_protocol::SessionRef;

use crate::error::EXIT_CODES;

/// AI agents whose tools can do no more than they were granted
#[derive(Debug, Parser)]
#[command(name = "exoclawd", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Config file [default: config.toml in the home directory, or EXOCLAW_CONFIG]
    #[arg(long, global = true, display_order = 900, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of everything that is kept [default: ~/.exoclaw, or EXOCLAW_HOME]
    #[arg(long, global = true, display_order = 901, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true, display_order = 902)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon
    ///
    /// Listens, prints how to log in, and runs until it is told to stop with Ctrl-C or SIGTERM; runs under way then have 30
    /// seconds to end. A second signal ends it at once. EXOCLAW_LOG says what is logged to stderr, such as debug.
    Gateway(GatewayArgs),
    /// Say how the daemon is
    Status,
    /// Talk to an agent
    ///
    /// The answer streams to stdout, tool calls are shown on stderr. Ctrl-C stops the run. Without a text, lines are read from
    /// the terminal, each a message, or one message from a pipe.
    Chat(ChatArgs),
    /// Set up a provider and an agent
    ///
    /// Asks for what the flags leave open, tries the model with one short request, and writes config and key.
    Onboard(OnboardArgs),
    /// Make, look at, try and add plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at the config
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(crate) struct OnboardArgs {
    /// anthropic, openai, ollama, llama-cpp, or any name for a compatible server at --base-url
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Address of a compatible server, such as http://127.0.0.1:11434/v1
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// The provider's name of the model
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Read the key from stdin
    #[arg(long)]
    pub(crate) key_stdin: bool,
    /// Ask nothing
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a project of a plugin
    New(PluginNewArgs),
    /// Put the manifest into a built component
    Pack(PluginPackArgs),
    /// Say what a plugin offers and asks for; none of its code runs
    Inspect {
        /// Name of a plugin of the config, or a file
        #[arg(value_name = "NAME|FILE")]
        plugin: String,
    },
    /// Run one tool under its grants and print output and cost
    ///
    /// A plugin of the config runs under the grants of the config, a file under none. A store of its own is not lent to it
    /// here: the daemon's is in use.
    Call(PluginCallArgs),
    /// Add a plugin to the config, after asking
    ///
    /// Copies the file beside the config, pins its SHA-256 and grants what it asks for, as far as you agree. A plugin of the
    /// same name is replaced.
    Add(PluginAddArgs),
    /// Try the plugins of the config
    List,
    /// Take a plugin out of the config
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PluginNewArgs {
    /// Its name, of a-z, 0-9 and '-'
    pub(crate) name: String,
    /// Language of the project
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
}

/// Languages that projects can be made in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Language {
    Rust,
}

#[derive(Debug, Args)]
pub(crate) struct PluginPackArgs {
    /// Folder with plugin.toml
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) project: PathBuf,
    /// The built component [default: target/wasm32-wasip2/release/NAME.wasm]
    #[arg(long, value_name = "FILE")]
    pub(crate) component: Option<PathBuf>,
    /// Where to write the plugin [default: NAME.wasm beside plugin.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginCallArgs {
    /// Name of a plugin of the config, or a file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) plugin: String,
    /// The tool
    pub(crate) tool: String,
    /// The arguments, a JSON object
    #[arg(default_value = "{}", value_name = "JSON")]
    pub(crate) arguments: String,
}

#[derive(Debug, Args)]
pub(crate) struct PluginAddArgs {
    /// The plugin
    pub(crate) file: PathBuf,
    /// Directory to grant for a guest path that the plugin asks for, such as /notes=~/notes; made if it is not there
    #[arg(long, value_name = "GUEST=HOST")]
    pub(crate) dir: Vec<String>,
    /// Agent that may use it at once
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,
    /// Ask nothing: grant what it asks for, directories only as far as --dir names them
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Address to listen on [config: gateway.bind]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Port to listen on, 0 for a free one [config: gateway.port]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Token that clients show [default: EXOCLAW_TOKEN, or one that is made at the first start]
    ///
    /// Other users of this machine can see a command's arguments: EXOCLAW_TOKEN is better.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Answer with a built-in model that needs no key, and the example plugins
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// A conversation: a name, or a whole key such as agent:main:main
    #[arg(long, value_name = "SESSION", default_value = "main")]
    pub(crate) session: SessionRef,
    /// The message
    pub(crate) text: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the config and say what is wrong with it
    Check,
    /// Print each value with where it came from
    Show,
}
