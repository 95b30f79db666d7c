//! `plugin list`: the plugins of the config, tried as the daemon would.

use exoclaw_protocol::{PluginInfo, PluginListParams};
use exoclaw_runtime::ReadyPlugin;
use serde_json::{Value, json};

use super::Context;
use crate::{
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    plugins::{self, Wanted},
    runtime_file::RuntimeFile,
    terminal::{Style, printable},
};

pub(super) fn run(context: &mut Context<'_>) -> Result<Exit, CliError> {
    let loaded = super::config(context)?;
    let all = plugins::of_config(&loaded, &context.home);
    if all.is_empty() && !context.terminal.json {
        context.terminal.say("the config has no plugins; `exoclawd plugin add FILE` adds one")?;
        return Ok(Exit::Ok);
    }
    let running = running(context);
    let sandbox = plugins::sandbox(&context.home, plugins::trust(&loaded.config))?;
    let mut rows = Vec::new();
    for wanted in &all {
        let bar = super::progress(&format!("loading {}", wanted.name), context);
        let ready = plugins::load_one(&sandbox, wanted, context.env, &context.home);
        bar.finish_and_clear();
        let used = running.iter().find(|info| info.name == wanted.name);
        if context.terminal.json {
            rows.push(row(wanted, &ready, used));
        } else {
            show(wanted.name.as_str(), &ready, context)?;
            if let Some(used) = used {
                differs(used, ready.as_ref().ok(), context)?;
            }
        }
    }
    if context.terminal.json {
        context.terminal.value(&rows)?;
    }
    Ok(Exit::Ok)
}

/// What the daemon of this home uses, if one runs that can be asked.
fn running(context: &Context<'_>) -> Vec<PluginInfo> {
    let file = RuntimeFile::read(&context.home.runtime_file());
    if file.is_none_or(|file| file.demo) {
        return Vec::new();
    }
    let ask = async { DaemonLink::open(context).await?.request(PluginListParams {}).await };
    crate::command::wait_for(ask).map(|list| list.plugins).unwrap_or_default()
}

fn row(wanted: &Wanted, ready: &Result<ReadyPlugin, String>, used: Option<&PluginInfo>) -> Value {
    let mut row = match ready {
        Ok(ReadyPlugin { plugin, permit, .. }) => {
            let manifest = plugin.manifest();
            let tools: Vec<_> = manifest.tools.iter().map(|tool| tool.name.as_str()).collect();
            json!({
                "name": wanted.name, "version": manifest.version, "description": manifest.description,
                "sha256": plugin.sha256(), "pinned": wanted.pin.is_some(), "signers": plugin.signers(), "kind": manifest.kind,
                "tools": tools,
                "requested": permit.requested(), "granted": permit.granted(), "missing": permit.missing(),
            })
        }
        Err(error) => json!({ "name": wanted.name, "error": error }),
    };
    if let Some(used) = used {
        let PluginInfo { version, sha256, error, refused_update, .. } = used;
        row["running"] =
            json!({ "version": version, "sha256": sha256, "error": error, "refusedUpdate": refused_update });
    }
    row
}

fn show(name: &str, ready: &Result<ReadyPlugin, String>, context: &mut Context<'_>) -> Result<(), CliError> {
    match ready {
        Ok(ReadyPlugin { plugin, permit, .. }) => {
            super::inspect::head(plugin.manifest(), context)?;
            super::inspect::offers("  ", plugin.manifest(), context)?;
            super::lines("  granted", permit.granted(), context)?;
            if !permit.missing().is_empty() {
                super::lines("  missing", permit.missing(), context)?;
            }
        }
        Err(error) => {
            let colour = context.terminal.out_colour;
            let name = colour.paint(Style::Bold, name);
            let failed = colour.paint(Style::Bad, "failed");
            context.terminal.line(format_args!("{name} {failed}: {}", printable(error)))?;
        }
    }
    Ok(())
}

/// Says what the daemon uses where that is another file than the one that lies there.
fn differs(used: &PluginInfo, ready: Option<&ReadyPlugin>, context: &mut Context<'_>) -> Result<(), CliError> {
    let same = used.sha256.as_deref() == ready.map(|ready| ready.plugin.sha256());
    let (Some(version), Some(sha256), false) = (&used.version, &used.sha256, same) else { return Ok(()) };
    let short = sha256.get(..12).unwrap_or(sha256);
    context.terminal.line(format_args!(
        "{:<10}the daemon goes on with {} ({short}…)",
        "  running",
        printable(version)
    ))?;
    if let Some(why) = &used.refused_update {
        context.terminal.line(format_args!("{:<10}{}", "", printable(why)))?;
    }
    Ok(())
}
