//! `plugin call`: one tool, once, under the plugin's grants; of a channel, that it reads a request or tells an answer.

mod channel;

use std::{path::Path, sync::Arc, time::Duration};

use exoclaw_protocol::{Metering, ToolContent};
use exoclaw_sandbox::{Host, ToolRequest};
use exoclaw_store::{MemoryStore, SqliteConfig, SqliteStore, Store};

use super::Context;
use crate::{
    cli::PluginCallArgs,
    error::{CliError, Exit, chain},
    nearest, plugins,
    terminal::{Style, bytes, duration, shortened},
};

pub(super) fn run(args: &PluginCallArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let (wanted, _) = super::find(&args.plugin, context)?;
    let trust = plugins::trust(&super::config(context)?.config);
    let ready = super::load(&wanted, trust, context)?;
    if ready.plugin.is_channel() {
        return channel::run(args, &ready, context);
    }
    let arguments = serde_json::from_str(&args.arguments).map_err(no_json)?;
    let names = ready.plugin.manifest().tools.iter().map(|tool| tool.name.as_str());
    let Some(name) = names.clone().find(|name| *name == args.tool) else {
        let message = format!("plugin {} has no tool {:?}", wanted.name, args.tool);
        return Err(CliError::new(Exit::Data, message).hint(nearest::hint(&args.tool, "tools", names)));
    };
    let of = |error: exoclaw_protocol::IdError| CliError::of(Exit::Failed, error);
    let request = ToolRequest {
        tool: name.parse().map_err(of)?,
        arguments,
        call_id: "command-line".parse().map_err(of)?,
        idempotency_key: "command-line".to_owned(),
        agent: "main".parse().map_err(of)?,
        session: "command-line".to_owned(),
    };
    let store = store(args.store.as_deref())?;
    let kv = exoclaw_runtime::plugin_kv(&store, &ready, &request.agent);
    let once = || {
        let progress = context.terminal.talk_is_screen.then(|| Arc::new(say_progress) as _);
        ready.plugin.call(&ready.permit, request.clone(), Host { kv: kv.clone(), progress, ..Host::default() })
    };
    if !context.terminal.json && args.times == 1 {
        crate::log::start_for_plugins();
    }
    let (called, times) = super::super::wait_for(async {
        let mut called = once().await;
        let mut times = vec![called.metering.wall_us];
        while times.len() < args.times as usize && !called.output.is_error {
            called = once().await;
            times.push(called.metering.wall_us);
        }
        store.close().await;
        Ok((called, times))
    })?;
    let exit = if called.output.is_error { Exit::Failed } else { Exit::Ok };
    if context.terminal.json {
        let detail = called.detail.as_ref().map(|error| chain(error));
        let mut body = serde_json::json!({ "output": called.output, "metering": called.metering, "detail": detail });
        if args.times > 1 {
            body["calls"] = serde_json::to_value(Times::of(times)).unwrap_or_default();
        }
        context.terminal.value(&body)?;
        return Ok(exit);
    }
    for content in &called.output.content {
        let text = content_text(content);
        context.terminal.text(&text)?;
        context.terminal.text(if text.ends_with('\n') { "" } else { "\n" })?;
    }
    if called.output.is_error {
        let label = context.terminal.talk_colour.paint(Style::Bad, "the call failed");
        let detail =
            called.detail.as_ref().map(|error| format!(": {}", shortened(&chain(error), 400))).unwrap_or_default();
        context.terminal.say(format_args!("{label}{detail}"))?;
    }
    let cost = context.terminal.talk_colour.paint(Style::Dim, cost(&called.metering));
    context.terminal.say(cost)?;
    if args.times > 1 {
        let Times { count, median_us, p99_us } = Times::of(times);
        let of = |us| duration(Duration::from_micros(us));
        context.terminal.say(format_args!("{count} calls: median {}, p99 {}", of(median_us), of(p99_us)))?;
    }
    Ok(exit)
}

fn no_json(error: serde_json::Error) -> CliError {
    CliError::new(Exit::Usage, "the arguments are no JSON").because(error).hint("such as '{\"text\":\"hello\"}'")
}

/// How long calls took.
#[derive(Debug, serde::Serialize)]
struct Times {
    count: usize,
    median_us: u64,
    p99_us: u64,
}

impl Times {
    /// Of at least one call.
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied().unwrap_or_default();
        Self { count: times.len(), median_us: at(50), p99_us: at(99) }
    }
}

/// Where the plugin keeps its own values: never the daemon's store.
fn store(file: Option<&Path>) -> Result<Arc<dyn Store>, CliError> {
    let Some(file) = file else { return Ok(Arc::new(MemoryStore::new())) };
    let opened = SqliteStore::open(&SqliteConfig::new(file.to_owned()));
    Ok(Arc::new(opened.map_err(|error| CliError::of(Exit::Io, error))?))
}

/// A piece of output as people read it.
pub(in crate::command) fn content_text(content: &ToolContent) -> String {
    match content {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => serde_json::to_string_pretty(value).unwrap_or_default(),
        ToolContent::Image { media_type, data } => format!("({media_type}, {} characters of base64)", data.len()),
    }
}

/// What a call cost, on one line.
pub(in crate::command) fn cost(metering: &Metering) -> String {
    let time = duration(Duration::from_micros(metering.wall_us));
    let (memory, out, taken) = (bytes(metering.peak_memory), bytes(metering.bytes_out), bytes(metering.bytes_in));
    let (fuel, calls) = (metering.fuel, metering.host_calls);
    format!("{time}, fuel {fuel}, memory {memory}, host calls {calls}, {out} out, {taken} in")
}

#[expect(clippy::print_stderr, reason = "it comes from the call, while the terminal is waiting for its end")]
fn say_progress(fraction: Option<f32>, message: String) {
    let part = fraction.map_or_else(String::new, |part| format!("{:.0} % ", part * 100.0));
    eprintln!("  {part}{}", shortened(&message, 200));
}
