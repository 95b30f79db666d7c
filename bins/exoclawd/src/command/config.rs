//! `config check` and `config show`.

use super::Context;
use crate::{
    cli::ConfigCommand,
    config::{Flags, Loaded},
    error::{CliError, Exit},
    terminal::Style,
};

pub(super) fn run(command: ConfigCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let loaded = context.config(&Flags::default())?;
    for notice in &loaded.notices {
        context.terminal.notice(notice)?;
    }
    match command {
        ConfigCommand::Check => check(&loaded, context),
        ConfigCommand::Show => show(&loaded, context),
    }
}

fn check(loaded: &Loaded, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let path = loaded.path.display();
    let config = &loaded.config;
    if context.terminal.json {
        let body =
            serde_json::json!({ "ok": true, "path": loaded.path, "exists": loaded.exists, "notices": loaded.notices });
        context.terminal.value(&body)?;
    } else if loaded.exists {
        let counts = [
            (config.providers.len(), "provider"),
            (config.agents.len(), "agent"),
            (config.plugins.len(), "plugin"),
            (config.bindings.len(), "binding"),
        ];
        let counts = counts.map(|(n, what)| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
        let good = context.terminal.out_colour.paint(Style::Good, "ok");
        context.terminal.line(format_args!("{path}: {good} ({})", counts.join(", ")))?;
    } else {
        context.terminal.line(format_args!("{path} is not there; the built-in defaults are in force"))?;
        context.terminal.say("`exoclawd onboard` writes a config; `exoclawd gateway --demo` works without")?;
    }
    Ok(Exit::Ok)
}

fn show(loaded: &Loaded, context: &mut Context<'_>) -> Result<Exit, CliError> {
    if context.terminal.json {
        context.terminal.value(&loaded.entries)?;
        return Ok(Exit::Ok);
    }
    let lines: Vec<_> = loaded.entries.iter().map(|entry| format!("{} = {}", entry.key, entry.value)).collect();
    // Very long values do not push everyone's origin out of sight.
    let width = lines.iter().map(|line| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    for (line, entry) in lines.iter().zip(&loaded.entries) {
        let origin = context.terminal.out_colour.paint(Style::Dim, format!("# {}", entry.from));
        context.terminal.line(format_args!("{line:width$}  {origin}"))?;
    }
    Ok(Exit::Ok)
}
