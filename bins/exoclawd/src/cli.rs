//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use exoclaw_protocol::{AgentId, ApprovalId, PluginName, SessionRef, TokenName};
use exoclaw_sandbox::PublicKey;

mod audit;
mod cron;
mod device;
mod import;
mod run;

pub(crate) use audit::{AuditCommand, ExportFormat};
pub(crate) use cron::{CronAdd, CronCommand, CronUpdate, When};
pub(crate) use device::DeviceCommand;
pub(crate) use import::{ImportCommand, ImportOpenclawArgs};
pub(crate) use run::RunCommand;

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
    /// Say what models used and cost
    ///
    /// In the present day and month of UTC, in all, by agent and by credential, and how much of each budget is used.
    Usage {
        /// A conversation to be told of as well: a name, or a whole key such as agent:main:main
        #[arg(long, value_name = "SESSION")]
        session: Option<SessionRef>,
    },
    /// Talk to an agent
    ///
    /// The answer streams to stdout, tool calls are shown on stderr. Ctrl-C stops the run. Without a text, lines are read from
    /// the terminal, each a message, or one message from a pipe.
    Chat(ChatArgs),
    /// Answer calls of tools that wait to be allowed
    ///
    /// Those that the config names in [approvals]. Each is answered once, for the arguments that are shown.
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// Look at the ways to agents from other platforms
    ///
    /// Those of the config's [[channels]], such as Telegram and Slack.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Let devices in that prove a key of their own
    ///
    /// A client of OpenClaw's that shows no token waits until it is approved here. One that shows a good token is let in at once.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Send messages by the clock
    ///
    /// A job is a message that the running daemon sends to an agent when its time comes; each is answered by an ordinary run.
    #[command(subcommand)]
    Cron(CronCommand),
    /// Open the chat in the browser
    ///
    /// Prints an address that logs one browser in, once, within a minute, and opens it where there is a screen.
    Open(OpenArgs),
    /// Make, look at, change and end tokens
    ///
    /// A token lets another program, machine or person in, with a scope of its own. Works with and without a running daemon.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make certificates
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Set up a provider and an agent
    ///
    /// Asks for what the flags leave open, tries the model with one short request, and writes config and key.
    Onboard(OnboardArgs),
    /// Make, look at, try and add plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Try the sandbox
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Keep secrets for plugins
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Look at the config
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Carry conversations over
    #[command(subcommand)]
    Session(SessionCommand),
    /// Take over what another program keeps
    #[command(subcommand)]
    Import(ImportCommand),
    /// Look into a run, or run its tools again
    #[command(subcommand)]
    Run(RunCommand),
    /// Check, mend and copy what is kept
    #[command(subcommand)]
    Store(StoreCommand),
    /// Look at and check who did and was refused what
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ChannelCommand {
    /// List them: what came last, what waits to go out, and what is wrong
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    /// List the calls that wait, with their arguments
    List,
    /// Allow one call, this once
    Allow {
        /// Its id, as the list shows it
        id: ApprovalId,
    },
    /// Deny one call
    Deny {
        /// Its id, as the list shows it
        id: ApprovalId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Print the address only
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Make a certificate that vouches for itself, for a home network
    ///
    /// Writes cert.pem and key.pem and says how to use them. Browsers warn of it once, unless it is made known to them.
    SelfSigned {
        /// Names and addresses under which the daemon is reached, beside localhost
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Where to write them [default: tls in the home directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, this once
    Create {
        /// Its name, of a-z, 0-9, '_' and '-'
        name: TokenName,
        /// What it allows: chat and approve include read, admin everything
        #[arg(long, value_enum, default_value_t = TokenScope::Chat)]
        scope: TokenScope,
        /// When it stops working, such as 12h or 30d [default: when it is revoked]
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<u64>,
    },
    /// List the tokens
    List,
    /// Give a token a new text
    ///
    /// The new one works beside the old one until --finish, so that its users can change over one after the other.
    Rotate {
        /// Its name
        name: TokenName,
        /// End the old text; whoever is connected with it is closed
        #[arg(long)]
        finish: bool,
        /// Replace the text at once
        #[arg(long, conflicts_with = "finish")]
        now: bool,
    },
    /// End a token; whoever is connected with it is closed
    Revoke {
        /// Its name
        name: TokenName,
    },
}

/// What a token may allow.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TokenScope {
    /// Look, but not act
    Read,
    /// Talk to agents
    Chat,
    /// Allow or deny calls of tools that wait for it; not chat
    Approve,
    /// Everything
    Admin,
}

/// A time such as `90s`, `15m`, `12h` or `30d`, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "want a number and one of s, m, h and d, such as 30d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(wrong)
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
    /// Build a plugin's project and pack it
    ///
    /// Runs the tool of its language: cargo where there is a Cargo.toml, `npm run build` where there is a package.json,
    /// componentize-py where there is a requirements.txt. What these need is installed into the project the first time, with
    /// npm or pip.
    Build(PluginBuildArgs),
    /// Put the manifest into a built component
    Pack(PluginPackArgs),
    /// Make a key to sign plugins with
    ///
    /// Writes the private key to FILE, which nobody else can read, and prints the public one.
    Keygen {
        /// Where to write the private key; a file that is there is not touched
        file: PathBuf,
    },
    /// Sign a packed plugin: its component and its manifest
    Sign(PluginSignArgs),
    /// Say who has signed a plugin; ends with 1 if it is nobody who is trusted
    Verify(PluginVerifyArgs),
    /// Say what a plugin offers and asks for; none of its code runs
    Inspect {
        /// Name of a plugin of the config, or a file
        #[arg(value_name = "NAME|FILE")]
        plugin: String,
    },
    /// Run one tool under its grants and print output, cost, and what it logs
    ///
    /// A plugin of the config runs under the grants of the config. A file is granted nothing but a store of its own, as large
    /// as it asks for. That store is an empty one for each call, never the daemon's; --store keeps it in a file.
    Call(PluginCallArgs),
    /// Add a plugin to the config, after asking
    ///
    /// Copies the file beside the config, pins its SHA-256 and grants what it asks for, as far as you agree. A plugin of the
    /// same name is replaced.
    ///
    /// A component without a manifest, built for hosts such as Wassette, is packed on the way: each function that it exports is
    /// a tool, and what it asks for stands in a policy.yaml beside it. The policy is read this once; from then on the grants of
    /// the config count. A core module that carries component types becomes a component first.
    Add(PluginAddArgs),
    /// Try the plugins of the config, and say which of them a running daemon uses in another version
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
    /// Compiled by cargo: small and quick
    Rust,
    /// JavaScript, with fetch, by componentize-js
    Js,
    /// CPython, by componentize-py
    Python,
}

#[derive(Debug, Args)]
pub(crate) struct PluginBuildArgs {
    /// Folder of the project
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) project: PathBuf,
    /// Where to write the plugin [default: NAME.wasm beside plugin.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginPackArgs {
    /// Folder with plugin.toml
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) project: PathBuf,
    /// The built component, or a core module that carries component types [default: where `plugin build` leaves it]
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
    /// The tool; of a channel, `receive` or `send`
    pub(crate) tool: String,
    /// The arguments, a JSON object; for `receive`, a file with an HTTP request
    #[arg(default_value = "{}", value_name = "JSON|FILE")]
    pub(crate) arguments: String,
    /// Run it so many times, show the last output and how long calls took
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) times: u32,
    /// Keep the plugin's own store in this file, for further calls [default: an empty one for each call]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginSignArgs {
    /// The packed plugin
    pub(crate) file: PathBuf,
    /// The private key, as `plugin keygen` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where to write the signed plugin [default: in place]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginVerifyArgs {
    /// The plugin
    pub(crate) file: PathBuf,
    /// Public key to trust [default: those of sandbox.trusted_keys]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<PublicKey>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginAddArgs {
    /// The plugin, or a component with plain exports
    pub(crate) file: PathBuf,
    /// Policy of a component with plain exports [default: policy.yaml beside it]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Name for a component with plain exports [default: that of the file]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<PluginName>,
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
    /// Another address, with port, that has the metrics and nothing else [config: metrics.listen]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// Certificate in PEM, to speak TLS with [config: gateway.tls]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Token that clients show [default: EXOCLAW_TOKEN, or one that is made at the first start]
    ///
    /// Other users of this machine can see a command's arguments: EXOCLAW_TOKEN is better.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Whom to let in: whoever shows a token, or, on loopback addresses alone, everyone
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Auth::Token)]
    pub(crate) auth: Auth,
    /// Answer with a built-in model that needs no key, and the example plugins
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Whom the daemon lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// Whoever shows a token
    Token,
    /// Everyone on this machine
    None,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// A conversation: a name, or a whole key such as agent:main:main
    #[arg(long, value_name = "SESSION", default_value = "main")]
    pub(crate) session: SessionRef,
    /// Take the whole screen: conversations, calls of tools and questions beside the answer
    #[arg(long)]
    pub(crate) tui: bool,
    /// The message
    pub(crate) text: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Run hostile guests and say which were contained
    ///
    /// Each tries one thing that it was not granted, or more than its limits; beside it, the same is tried where it is
    /// allowed and has to succeed. Nothing leaves a folder of their own in the home directory and the loopback.
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret, typed without echo or read from a pipe
    ///
    /// A plugin gets it when its manifest asks for it and the config grants it: the daemon puts it into requests to the one
    /// host that the manifest names, and the plugin never sees it.
    Set {
        /// Its name, as in the plugin's manifest
        name: String,
    },
    /// Forget a secret
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the config and say what is wrong with it
    Check,
    /// Print each value with where it came from
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Find what was said
    ///
    /// In all conversations, as they are at present: the newest places first whose text has all words, in upper or lower case and
    /// with or without accents. The last word may be the start of one. Asks the daemon.
    Search {
        /// What to look for
        #[arg(value_name = "WORDS", required = true)]
        words: Vec<String>,
        /// Only in conversations of this agent
        #[arg(long, value_name = "AGENT")]
        agent: Option<AgentId>,
        /// Only in this conversation; may be repeated
        #[arg(long = "session", value_name = "SESSION")]
        sessions: Vec<SessionRef>,
        /// At most so many places
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Only what is older than an earlier answer, which named this number
        #[arg(long, value_name = "PLACE")]
        before: Option<u64>,
    },
    /// Write a conversation as JSON Lines
    ///
    /// The daemon may run meanwhile. Damaged records are left out and named, and the command then ends with 65.
    Export {
        /// The conversation: a name, or a whole key such as agent:main:main
        #[arg(value_name = "SESSION")]
        session: SessionRef,
        /// Where to write it [default: stdout]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Read a conversation that was exported
    ///
    /// The daemon must not run. All or nothing; runs that had not ended are ended.
    Import {
        /// What to read [default: stdin]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Under another name or key than its own
        #[arg(long, value_name = "SESSION")]
        session: Option<SessionRef>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Verify every checksum and rule, and name what is wrong
    ///
    /// The daemon may run meanwhile. Ends with 65 where anything is wrong.
    Check,
    /// Make the tables of sessions and runs anew from the journal
    ///
    /// The daemon must not run. Sessions with damaged records are quarantined, all others are free again.
    Rebuild,
    /// Copy everything that was acknowledged by now into a new file
    ///
    /// The daemon may run, and goes on writing. Keys and config are not in the copy.
    Backup {
        /// The file; there must be none of that name
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a backup in the place of the store
    ///
    /// The daemon must not run. All or nothing.
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Overwrite a store that is not empty
        #[arg(long)]
        replace: bool,
    },
}
