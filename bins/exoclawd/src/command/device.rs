//! `device`: who is let in by a key of their own.

use std::time::Duration;

use exoclaw_protocol::{
    DeviceApproveParams, DeviceInfo, DeviceListParams, DeviceLook, DeviceRejectParams, DeviceRemoveParams,
    DeviceRequest, openclaw::OperatorScope,
};
use exoclaw_runtime::{Clock, SystemClock};

use super::Context;
use crate::{
    cli::DeviceCommand,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Palette, Style, duration, printable},
};

pub(super) async fn run(command: DeviceCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let terminal = &mut *context.terminal;
    let colour = terminal.out_colour;
    match command {
        DeviceCommand::List => {
            let listed = link.request(DeviceListParams {}).await?;
            if terminal.json {
                terminal.value(&listed)?;
                return Ok(Exit::Ok);
            }
            if listed.devices.is_empty() && listed.waiting.is_empty() {
                terminal.say("there are no devices, and none waits")?;
            }
            for request in &listed.waiting {
                terminal.line(waiting_line(request, colour))?;
            }
            for device in &listed.devices {
                terminal.line(device_line(device, colour))?;
            }
        }
        DeviceCommand::Approve { request, scope } => {
            let scope = scope.map(Into::into);
            let device = link.request(DeviceApproveParams { request_id: request, scope }).await?;
            if terminal.json {
                terminal.value(&device)?;
            } else {
                terminal.line(device_line(&device, colour))?;
            }
        }
        DeviceCommand::Reject { request } => {
            let result = link.request(DeviceRejectParams { request_id: request }).await?;
            if !result.rejected {
                return Err(CliError::new(Exit::Data, "no device waits under this id"));
            }
            if terminal.json {
                terminal.value(&result)?;
            } else {
                terminal.say("sent away")?;
            }
        }
        DeviceCommand::Remove { id } => {
            let result = link.request(DeviceRemoveParams { id }).await?;
            if !result.removed {
                return Err(CliError::new(Exit::Data, "there is no such device"));
            }
            if terminal.json {
                terminal.value(&result)?;
            } else {
                terminal.say("removed; whoever holds a token comes in with that still")?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// What waits, what it says of itself, and what it wants.
fn waiting_line(request: &DeviceRequest, colour: Palette) -> String {
    let id = colour.paint(Style::Bold, &request.request_id);
    let from = request.from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
    let again = if request.again { ", was let in before" } else { "" };
    let (look, wants) = (look(&request.look), scopes(&request.scopes));
    format!("{id}  waits{from}{again}: {look}\n  wants {wants}\n  device {}", request.device)
}

fn device_line(device: &DeviceInfo, colour: Palette) -> String {
    let id = colour.paint(Style::Bold, &device.id);
    let by = if device.approved { "approved by" } else { "came with the token of" };
    let used = device.last_used_ms.map_or_else(
        || "not used yet".to_owned(),
        |at_ms| {
            let ago = Duration::from_millis(SystemClock.now_ms().saturating_sub(at_ms));
            format!("used {} ago", duration(ago))
        },
    );
    let (look, may) = (look(&device.look), scopes(&device.scopes));
    format!("{id}\n  {look}\n  may {may}, {by} {}, {used}", device.by)
}

fn look(look: &DeviceLook) -> String {
    let DeviceLook { name, platform, client, mode } = look;
    let name = name.as_ref().map_or_else(String::new, |name| format!("{} ", printable(name)));
    format!("{name}({}, {}, {})", printable(client), printable(mode), printable(platform))
}

fn scopes(scopes: &[OperatorScope]) -> String {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str().trim_start_matches("operator.")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
