//! The daemon's log: stderr, as much as `EXOCLAW_LOG` says. And what plugins say to whoever tries them.

use std::{
    fmt::Debug,
    io::{self, Write},
    sync::Arc,
};

use exoclaw_gateway::LogTail;
use exoclaw_protocol::telemetry::span;
use tracing::{Event, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets},
    fmt,
    layer::{self, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::{
    Env,
    error::{CliError, Exit},
    telemetry::Spans,
};

/// What is logged where nothing says otherwise.
const DEFAULT: &str = "info";

/// What the names of our own targets begin with.
const OURS: &str = "exoclaw";

/// At `trace` these print whole messages, tokens and keys in them: whatever is asked for, they say no more than `info`.
const QUIET: [&str; 5] = ["tungstenite", "tokio_tungstenite", "hyper", "reqwest", "rustls"];

/// Starts logging for this process.
pub(crate) fn start(
    env: &Env,
    json: bool,
    colour: bool,
    spans: Option<Spans>,
    tail: &Arc<LogTail>,
) -> Result<(), CliError> {
    let wanted = env.get("EXOCLAW_LOG").unwrap_or(DEFAULT);
    let wanted: Targets = wanted.parse().map_err(|error: tracing_subscriber::filter::ParseError| {
        CliError::new(Exit::Config, format!("EXOCLAW_LOG={wanted} can't be understood"))
            .because(error)
            .hint("such as info, debug, or warn,exoclaw_gateway=debug")
    })?;
    let wanted = of_ours(wanted);
    let quiet = Targets::new().with_default(LevelFilter::TRACE);
    let quiet = quiet.with_targets(QUIET.map(|target| (target, LevelFilter::INFO)));
    // Spans are for collectors, and content for those alone who were asked to have it.
    let quiet = quiet.with_targets([span::TARGET, span::CONTENT].map(|target| (target, LevelFilter::OFF)));
    let spans = spans.map(|spans| {
        let wanted = spans.wanted;
        spans.with_filter(wanted)
    });
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json { lines.json().boxed() } else { lines.with_ansi(colour).with_target(false).compact().boxed() };
    let tail = Arc::clone(tail);
    let kept = fmt::layer().with_writer(move || Kept(Arc::clone(&tail))).with_ansi(false).with_target(false).compact();
    let lines = lines.and_then(kept);
    // A second daemon in one process, as in tests, logs where the first one does.
    tracing_subscriber::registry().with(lines.with_filter(wanted.and(quiet))).with(spans).try_init().ok();
    Ok(())
}

/// A level without a name is for our own lines beyond `info`: others', such as the compiler's tens of thousands, have to
/// be asked for by name.
fn of_ours(wanted: Targets) -> Targets {
    match wanted.default_level() {
        Some(level) if level > LevelFilter::INFO => {
            let named: Vec<_> = wanted.iter().map(|(target, level)| (target.to_owned(), level)).collect();
            Targets::new().with_default(LevelFilter::INFO).with_target(OURS, level).with_targets(named)
        }
        _ => wanted,
    }
}

/// Keeps lines for clients.
struct Kept(Arc<LogTail>);

impl Write for Kept {
    /// One line at a time, as the layer writes them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows what plugins say, as they say it, and nothing else.
pub(crate) fn start_for_plugins() {
    let wanted = Targets::new().with_target("exoclaw::plugin", LevelFilter::TRACE);
    tracing_subscriber::registry().with(Said.with_filter(wanted)).try_init().ok();
}

/// Prints the lines of plugins.
struct Said;

impl<S: Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        event.record(&mut |field: &Field, value: &dyn Debug| {
            // Nothing is left to tell whoever closed the stream.
            match field.name() {
                "line" => writeln!(io::stderr(), "  {value:?}").ok(),
                "dropped" => writeln!(io::stderr(), "  ({value:?} lines more)").ok(),
                _ => None,
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_without_a_name_is_for_our_own_lines() {
        let enabled = |wanted: &str, target, level| of_ours(wanted.parse().unwrap()).would_enable(target, &level);
        assert!(enabled("debug", "exoclaw_gateway::http", Level::DEBUG));
        assert!(!enabled("debug", "cranelift_codegen::isa", Level::DEBUG));
        assert!(enabled("debug", "cranelift_codegen::isa", Level::INFO));
        assert!(enabled("debug,cranelift_codegen=debug", "cranelift_codegen::isa", Level::DEBUG));
        assert!(!enabled("debug,exoclaw_gateway=warn", "exoclaw_gateway::http", Level::INFO));
        assert!(!enabled("warn", "cranelift_codegen::isa", Level::INFO));
        assert!(!enabled("exoclaw_gateway=debug", "exoclaw_runtime", Level::INFO));
    }
}
