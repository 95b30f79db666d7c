//! `approval`: calls that wait to be allowed.

use std::time::Duration;

use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalListParams, ApprovalResolveParams, ApprovalResolveResult, Decision, Verdict,
};
use exoclaw_runtime::{Clock, SystemClock};

use super::Context;
use crate::{
    cli::ApprovalCommand,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Palette, Style, duration, escaped},
};

pub(super) async fn run(command: ApprovalCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let listed = link.request(ApprovalListParams::default()).await?;
    let (id, verdict) = match command {
        ApprovalCommand::Allow { id } => (id, Verdict::Allow),
        ApprovalCommand::Deny { id } => (id, Verdict::Deny),
        ApprovalCommand::List if context.terminal.json => {
            context.terminal.value(&listed)?;
            return Ok(Exit::Ok);
        }
        ApprovalCommand::List => {
            if listed.approvals.is_empty() {
                context.terminal.say("nothing waits to be allowed")?;
            }
            for approval in &listed.approvals {
                context.terminal.line(question(approval, context.terminal.out_colour))?;
            }
            return Ok(Exit::Ok);
        }
    };
    let approval = listed.approvals.iter().find(|approval| approval.id == id).ok_or_else(|| unknown(&id))?;
    if !context.terminal.json {
        context.terminal.say(question(approval, context.terminal.talk_colour))?;
    }
    let resolved = link.request(ApprovalResolveParams::new(approval, verdict)).await?;
    if context.terminal.json {
        context.terminal.value(&resolved)?;
    } else {
        context.terminal.say(outcome(&resolved))?;
    }
    Ok(Exit::Ok)
}

fn unknown(id: &ApprovalId) -> CliError {
    CliError::new(Exit::Data, format!("no approval {id} waits: it was answered, has expired, or never was"))
        .hint("`exoclawd approval list` shows those that wait")
}

/// What is asked, with all that the answer is for: the arguments exactly, without what would steer a screen.
pub(super) fn question(approval: &Approval, colour: Palette) -> String {
    let Approval { id, session, tool, input, effect, expires_ms, .. } = approval;
    let left = duration(Duration::from_millis(expires_ms.saturating_sub(SystemClock.now_ms())));
    let what = colour.paint(Style::Note, escaped(tool));
    let id = colour.paint(Style::Bold, id);
    let effect = effect.as_str();
    format!("{id}  {what} ({effect}) in {session}, for {left}\n  {}", escaped(&input.to_string()))
}

/// What became of it.
pub(super) fn outcome(resolved: &ApprovalResolveResult) -> &'static str {
    match resolved.decision {
        Decision::Allowed => "allowed, this once",
        Decision::Denied => "denied",
        Decision::Expired => "expired",
    }
}
