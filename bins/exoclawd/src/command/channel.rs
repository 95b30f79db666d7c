//! `channel`: ways to agents from other platforms.

use std::time::Duration;

use exoclaw_protocol::{ChannelInfo, ChannelListParams};
use exoclaw_runtime::{Clock, SystemClock};

use super::Context;
use crate::{
    cli::ChannelCommand,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Style, duration, printable},
};

pub(super) async fn run(command: ChannelCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let ChannelCommand::List = command;
    let link = DaemonLink::open(context).await?;
    let listed = link.request(ChannelListParams {}).await?;
    if context.terminal.json {
        context.terminal.value(&listed.channels)?;
        return Ok(Exit::Ok);
    }
    if listed.channels.is_empty() {
        context.terminal.say("the config has no channels: see [[channels]] in specs/config.md")?;
    }
    for channel in &listed.channels {
        show(channel, context)?;
    }
    Ok(Exit::Ok)
}

fn show(channel: &ChannelInfo, context: &mut Context<'_>) -> Result<(), CliError> {
    let ChannelInfo { name, plugin, account, backlog, last_in_ms, last_out_ms, error } = channel;
    let terminal = &mut *context.terminal;
    let colour = terminal.out_colour;
    let account = account.as_ref().map(|account| format!(", account {}", printable(account))).unwrap_or_default();
    let name = colour.paint(Style::Bold, name);
    let [last_in, last_out] = [last_in_ms, last_out_ms].map(|at_ms| at_ms.map_or_else(|| "never".to_owned(), ago));
    terminal.line(format_args!("{name}  plugin {plugin}{account}"))?;
    terminal.line(format_args!("  last in {last_in}, last out {last_out}, to be delivered {backlog}"))?;
    if let Some(error) = error {
        terminal.line(format_args!("  {} {}", colour.paint(Style::Bad, "error"), printable(error)))?;
    }
    Ok(())
}

fn ago(at_ms: u64) -> String {
    format!("{} ago", duration(Duration::from_millis(SystemClock.now_ms().saturating_sub(at_ms))))
}
