//! `plugin list`: the plugins of the config, tried as the daemon would.

use super::Context;
use crate::{
    error::{CliError, Exit},
    plugins,
    terminal::{Style, printable},
};

pub(super) fn run(context: &mut Context<'_>) -> Result<Exit, CliError> {
    let loaded = super::config(context)?;
    let all = plugins::of_config(&loaded, &context.home);
    if all.is_empty() && !context.terminal.json {
        context.terminal.say("the config has no plugins; `exoclawd plugin add FILE` adds one")?;
        return Ok(Exit::Ok);
    }
    let mut rows = Vec::new();
    for wanted in &all {
        let spinner = super::spinner(&format!("loading {}", wanted.name), context);
        let sandbox = plugins::sandbox(&context.home)?;
        let ready = plugins::load_one(&sandbox, wanted, context.env, &context.home);
        spinner.finish_and_clear();
        if !context.terminal.json {
            show(wanted.name.as_str(), &ready, context)?;
            continue;
        }
        rows.push(match &ready {
            Ok(ready) => {
                let manifest = ready.plugin.manifest();
                let tools: Vec<_> = manifest.tools.iter().map(|tool| tool.name.as_str()).collect();
                serde_json::json!({
                    "name": wanted.name, "version": manifest.version, "description": manifest.description,
                    "sha256": ready.plugin.sha256(), "pinned": wanted.pin.is_some(), "tools": tools,
                    "requested": ready.permit.requested(), "granted": ready.permit.granted(),
                })
            }
            Err(error) => serde_json::json!({ "name": wanted.name, "error": error }),
        });
    }
    if context.terminal.json {
        context.terminal.value(&rows)?;
    }
    Ok(Exit::Ok)
}

fn show(
    name: &str,
    ready: &Result<exoclaw_runtime::ReadyPlugin, String>,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    match ready {
        Ok(ready) => {
            super::inspect::head(ready.plugin.manifest(), context)?;
            super::lines("  tools", &super::inspect::tools(ready.plugin.manifest()), context)?;
            super::lines("  granted", ready.permit.granted(), context)?;
        }
        Err(error) => {
            let colour = context.terminal.out_colour;
            let name = colour.paint(Style::Bold, name);
            context.terminal.line(format_args!(
                "{name} {}: {}",
                colour.paint(Style::Bad, "failed"),
                printable(error)
            ))?;
        }
    }
    Ok(())
}
