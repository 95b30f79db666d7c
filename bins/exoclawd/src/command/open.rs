//! `open`: the chat in the browser.

use std::process::{Command, Stdio};

use exoclaw_protocol::LoginLinkParams;

use super::Context;
use crate::{
    cli::OpenArgs,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
};

pub(super) async fn run(args: &OpenArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let made = link.request(LoginLinkParams {}).await?;
    let terminal = &mut *context.terminal;
    if terminal.json {
        terminal.value(&made)?;
        return Ok(Exit::Ok);
    }
    terminal.line(made.link.expose())?;
    terminal.say(format_args!("works once, within {} s", made.valid_s))?;
    // Where nobody sits at a terminal, nobody sees a browser.
    if !args.print && terminal.interactive && !browse(made.link.expose()) {
        terminal.say("no browser was found: open the address yourself")?;
    }
    Ok(Exit::Ok)
}

/// Hands an address to the desktop; says whether there was one. The address is seen by this user's programs alone, and its
/// code is spent by the browser that it opens.
fn browse(address: &str) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = || Stdio::null();
    let opened = Command::new(program).arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).status();
    opened.is_ok_and(|status| status.success())
}
