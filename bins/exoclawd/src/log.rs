//! The daemon's log: stderr, as much as `EXOCLAW_LOG` says.

use tracing_subscriber::EnvFilter;

use crate::{
    Env,
    error::{CliError, Exit},
};

/// What is logged where nothing says otherwise.
const DEFAULT: &str = "info";

/// At `trace` these print whole messages, tokens and keys in them: whatever is asked for, they say no more than this.
const QUIET: [&str; 5] = ["tungstenite=info", "tokio_tungstenite=info", "hyper=info", "reqwest=info", "rustls=info"];

/// Starts logging for this process.
pub(crate) fn start(env: &Env, json: bool, colour: bool) -> Result<(), CliError> {
    let wanted = env.get("EXOCLAW_LOG").unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        CliError::new(Exit::Config, format!("EXOCLAW_LOG={wanted} can't be understood"))
            .because(error)
            .hint("such as info, debug, or warn,exoclaw_gateway=debug")
    })?;
    let quiet = QUIET.iter().filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second daemon in one process, as in tests, logs where the first one does.
    if json {
        lines.json().try_init().ok();
    } else {
        lines.with_ansi(colour).with_target(false).compact().try_init().ok();
    }
    Ok(())
}
