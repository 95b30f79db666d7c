//! `gateway`: the daemon itself.

use std::{io::BufRead, path::Path, sync::Arc, time::Duration};

use exoclaw_gateway::Gateway;
use exoclaw_runtime::Runtime;
use exoclaw_store::audit::{Decision, Entry, What};
use serde_json::json;
use tokio::sync::mpsc;

use super::Context;
use crate::{
    cli::{Auth, GatewayArgs},
    compose::{Daemon, NO_AUTH, Start},
    config::{Flags, Loaded},
    demo,
    error::{CliError, Exit},
    keys, log,
    notify::Notify,
    runtime_file::RuntimeFile,
    signals::Ends,
    telemetry::{self, Telemetry},
    terminal::Style,
};

/// Threads for blocking calls, at most: loading plugins, and what few files are read while running.
const BLOCKING_THREADS: usize = 16;

/// Idle threads for blocking calls end soon: each one keeps memory.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(2);

pub(super) fn run(args: GatewayArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = tls.map(|(cert, key)| [cert, key].map(|path| absolute(path)));
    let flags = Flags { bind: args.bind.clone(), port: args.port, metrics: args.metrics, tls };
    let loaded = context.config(&flags)?;
    for notice in &loaded.notices {
        context.terminal.notice(notice)?;
    }
    let mut notices = Vec::new();
    let telemetry = telemetry::Settings::read(context.env, &mut notices)?.map(Telemetry::new);
    for notice in &notices {
        context.terminal.notice(notice)?;
    }
    let (spans, telemetry) = telemetry.unzip();
    let tail = Arc::default();
    log::start(context.env, context.terminal.json, context.terminal.talk_colour.is_on(), spans, &tail)?;
    let root = context.home.root();
    context.home.create().map_err(|error| {
        let exit = CliError::new(Exit::Io, format!("create the home directory {}", root.display()));
        exit.because(error).hint("make it writable, or choose another with --home DIR")
    })?;
    let token = match args.auth {
        Auth::Token => Some(keys::own_gateway_token(args.token.as_deref(), context.env, &context.home)?),
        Auth::None => {
            context.terminal.notice(NO_AUTH)?;
            None
        }
    };
    let start = Start { home: &context.home.clone(), env: context.env, token, demo: args.demo, log: tail };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .build()
        .map_err(|error| CliError::new(Exit::Io, "start the event loop").because(error))?;
    let exit = runtime.block_on(serve(start, loaded, telemetry, context));
    // A blocking call that never returns keeps no one waiting.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

async fn serve(
    start: Start<'_>,
    loaded: Loaded,
    telemetry: Option<Telemetry>,
    context: &mut Context<'_>,
) -> Result<Exit, CliError> {
    // From here on a signal asks for a clean end, also while starting.
    let mut signals = Ends::new()?;
    let (is_demo, notify) = (start.demo, Notify::new(start.env));
    let is_tls = loaded.config.gateway.tls.is_some();
    let Daemon { runtime, gateway, own_socket, audit, drain } = tokio::select! {
        // Dropping a start leaves nothing that a later one would stumble over.
        daemon = start.run(loaded) => daemon?,
        () = signals.next() => return Ok(Exit::Ok),
    };
    let file = RuntimeFile {
        address: gateway.local_addr(),
        socket: own_socket,
        tls: is_tls,
        pid: std::process::id(),
        demo: is_demo,
    };
    let path = context.home.runtime_file();
    file.write(&path).map_err(|error| {
        CliError::new(Exit::Io, format!("write {}", path.display())).because(error).hint("is the disk full?")
    })?;
    greet(&gateway, is_demo, context)?;
    tracing::info!(address = %file.address, demo = is_demo, "listening");
    if let Some(address) = gateway.metrics_addr() {
        tracing::info!(%address, "metrics");
    }

    notify.ready();
    let serving = attend(runtime.clone(), gateway, drain, &mut signals, &notify, context);
    let exit = match telemetry {
        // It outlives the runtime's tasks: the last runs end with them.
        Some(telemetry) => notify.alive_while(telemetry.run_beside(runtime, serving)).await,
        None => notify.alive_while(serving).await,
    };
    file.remove(&path);
    audit.note(Entry::new(What::Daemon, "stop", Decision::Allowed));
    // Nothing else is left to do for this thread.
    audit.close();
    exit
}

/// Serves until a signal comes, and then until everything has ended.
async fn attend(
    runtime: Runtime,
    gateway: Gateway,
    drain: Duration,
    signals: &mut Ends,
    notify: &Notify,
    context: &mut Context<'_>,
) -> Result<Exit, CliError> {
    let mut enters = if context.terminal.interactive { enters() } else { mpsc::channel(1).1 };
    let links = gateway.login_links();
    let mut serving = std::pin::pin!(gateway.serve());
    loop {
        tokio::select! {
            // All of them only wait; a key press that is taken is answered.
            () = &mut serving => {
                return Err(CliError::new(Exit::Failed, "the gateway stopped by itself").hint("the log says why"));
            }
            () = signals.next() => break,
            Some(()) = enters.recv() => {
                context.terminal.say(format_args!("  {}", links.make()))?;
            }
        }
    }
    notify.stopping();
    tracing::info!(deadline = ?drain, "stopping");
    let stop = async { tokio::join!(runtime.shutdown(drain), &mut serving).0 };
    tokio::select! {
        // The second signal means at once.
        all = stop => {
            tracing::info!(all_ended = all, "stopped");
            Ok(Exit::Ok)
        }
        () = signals.next() => Ok(Exit::Interrupted),
    }
}

/// Says where it listens and what to do next.
fn greet(gateway: &Gateway, is_demo: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let address = gateway.local_addr();
    let link = gateway.login_link();
    if context.terminal.json {
        let body = json!({
            "address": address, "loginLink": link, "pid": std::process::id(), "demo": is_demo,
            "metrics": gateway.metrics_addr(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        context.terminal.value(&body)?;
        return Ok(());
    }
    let ask = if is_demo { "what time is it?" } else { "hello" };
    let program = context.program();
    let terminal = &mut *context.terminal;
    let colour = terminal.out_colour;
    let version = env!("CARGO_PKG_VERSION");
    let place = colour.paint(Style::Good, url(&link));
    terminal.line(format_args!("exoclawd {version} listens on {place}"))?;
    terminal.line("")?;
    terminal.line(format_args!("  {}  {link}", colour.paint(Style::Bold, "in the browser ")))?;
    let again = if terminal.interactive { "; press Enter for a new link" } else { "" };
    let valid = exoclaw_gateway::LOGIN_CODE_LIFETIME.as_secs();
    let remark = format!("works once, within {valid} s{again}");
    terminal.line(format_args!("                   {}", colour.paint(Style::Dim, remark)))?;
    terminal.line(format_args!("  {}  {program} chat \"{ask}\"", colour.paint(Style::Bold, "in the terminal")))?;
    terminal.line(format_args!("  {}  Ctrl-C", colour.paint(Style::Bold, "to stop        ")))?;
    terminal.line("")?;
    if is_demo {
        terminal.line(colour.paint(Style::Note, demo::NOTICE))?;
        terminal.line("")?;
    }
    Ok(())
}

fn url(link: &str) -> &str {
    link.split_once("/#").map_or(link, |(url, _)| url)
}

/// A path of the command line, which lies where the command was called.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Enter was pressed, from a thread of its own that ends with the process. One press waits for its reader; further ones
/// wait in the terminal.
fn enters() -> mpsc::Receiver<()> {
    let (enters, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || enters.blocking_send(()).is_err() {
                break;
            }
        }
    });
    receiver
}
