//! `status`.

use std::time::Duration;

use exoclaw_protocol::{PluginListParams, PluginListResult, StatusParams, StatusResult, UsageParams};

use super::{
    Context,
    usage::{budgets, words},
};
use crate::{
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Style, duration, printable},
};

pub(super) async fn run(context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let status = link.request(StatusParams {}).await?;
    if context.terminal.json {
        context.terminal.value(&status)?;
        return Ok(Exit::Ok);
    }
    let plugins = link.request(PluginListParams {}).await?;
    show(&link.address, &status, &plugins, context)?;
    // Not everyone who may look at the daemon may see what others spent.
    if let Ok(usage) = link.request(UsageParams::default()).await {
        let today = words(&usage.total.day, &usage.currency);
        context.terminal.line(format_args!("today     {today}"))?;
        budgets(&usage, context.terminal)?;
    }
    Ok(Exit::Ok)
}

fn show(
    address: &str,
    status: &StatusResult,
    plugins: &PluginListResult,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let terminal = &mut *context.terminal;
    let colour = terminal.out_colour;
    let up = duration(Duration::from_millis(status.uptime_ms));
    let demo = if status.demo { ", with the demo model" } else { "" };
    let good = colour.paint(Style::Good, "up");
    terminal.line(format_args!("exoclawd {} at {address}, {good} for {up}{demo}", status.version))?;
    for agent in &status.agents {
        let default = if agent.default { " (default)" } else { "" };
        terminal.line(format_args!("agent     {}: {} at {}{default}", agent.id, agent.model, agent.provider))?;
    }
    terminal.line(format_args!("sessions  {}, runs under way {}", status.sessions, status.active_runs))?;
    terminal.line(format_args!("plugins   {} ready, {} failed", status.plugins_ready, status.plugins_failed))?;
    for plugin in &plugins.plugins {
        if let Some(error) = &plugin.error {
            terminal.line(format_args!("  {} {}", colour.paint(Style::Bad, &plugin.name), printable(error)))?;
        }
    }
    for warning in &status.warnings {
        terminal.line(format_args!("{}   {warning}", colour.paint(Style::Bad, "WARNING")))?;
    }
    if let Some(why) = &status.store_read_only {
        terminal.line(format_args!("store     {}: {why}", colour.paint(Style::Bad, "read-only")))?;
    }
    Ok(())
}
