//! `run replay`: the tools of a run once more, and what is different.

use std::path::PathBuf;

use exoclaw_protocol::{PluginName, RunId};
use exoclaw_runtime::{PluginSlot, Plugins, ReplayError, ReplayedCall, Selector, replay};
use exoclaw_sandbox::Access;
use exoclaw_store::upkeep::StoredRun;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::{
    super::{plugin, wait_for},
    Context, read,
    scratch::Scratch,
    text,
};
use crate::{
    config::Flags,
    error::{CliError, Exit},
    nearest,
    plugins::{self, Component, Wanted},
    terminal::{Style, printable, shortened},
};

/// Lines around a difference.
const AROUND: usize = 2;

/// Characters of a call's arguments that are shown.
const SHOWN: usize = 120;

pub(super) fn run(run: &RunId, others: &[(PluginName, PathBuf)], context: &mut Context<'_>) -> Result<Exit, CliError> {
    let StoredRun { session, entries, .. } = read(run, context)?;
    let loaded = context.config(&Flags::default())?;
    let agents = &loaded.config.agents;
    let agent = agents.iter().find(|agent| agent.id.as_str() == session.agent()).ok_or_else(|| {
        CliError::new(Exit::Config, format!("the run was one of agent {:?}, which the config has not", session.agent()))
    })?;
    let of_agent = |wanted: &Wanted| {
        let mut named = agent.tools.iter().map(|tool| Selector::of(tool).plugin);
        named.any(|name| name == wanted.name.as_str())
    };
    let mut wanted: Vec<_> = plugins::of_config(&loaded, &context.home).into_iter().filter(of_agent).collect();
    for (name, file) in others {
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.name.to_string()).collect();
        let replaced = wanted.iter_mut().find(|wanted| wanted.name == *name).ok_or_else(|| {
            let hint = nearest::hint(name.as_str(), "plugins", names.iter().map(String::as_str));
            CliError::new(Exit::Data, format!("agent {} has no plugin {name}", agent.id)).hint(hint)
        })?;
        (replaced.component, replaced.pin) = (Component::File(file.clone()), None);
    }

    let scratch = Scratch::new(&context.home)?;
    let mut slots = Vec::with_capacity(wanted.len());
    for mut wanted in wanted {
        harmless(&mut wanted, &scratch, context)?;
        slots.push(PluginSlot {
            name: wanted.name.clone(),
            state: Ok(plugin::load(&wanted, plugins::trust(&loaded.config), context)?),
        });
    }
    let recorded = plugins::recordings(&context.home).of(run).map_err(|error| {
        CliError::new(Exit::Data, format!("read what was recorded of the run {run}")).because(error)
    })?;
    for (_, call) in recorded.iter().filter(|(_, recording)| recording.is_cut()).map(|(call, _)| call) {
        context.terminal.notice(format!("the call {call} was told more than is kept: what came last is not there"))?;
    }
    let (plugins, folder) = (Plugins::new(slots), scratch.folder().to_owned());
    let calls = wait_for(async {
        let replayed = replay(&session, entries, &agent.tools, &plugins, recorded, folder).await;
        replayed.map_err(|error| refusal(&error))
    })?;
    show(run, &calls, context)
}

/// Takes away whatever a replay could change. HTTP stays granted: requests are answered from the recording, or not at all.
fn harmless(wanted: &mut Wanted, scratch: &Scratch, context: &mut Context<'_>) -> Result<(), CliError> {
    let grants = &mut wanted.grants;
    grants.secrets.clear();
    for grant in grants.fs.iter_mut().filter(|grant| grant.access == Access::ReadWrite) {
        match scratch.copy(&grant.host)? {
            Some(copy) => grant.host = copy,
            None => {
                grant.access = Access::Read;
                let text =
                    format!("{} is too large for a copy: {} may only read it", grant.host.display(), wanted.name);
                context.terminal.notice(text)?;
            }
        }
    }
    Ok(())
}

fn refusal(error: &ReplayError) -> CliError {
    CliError::of(if matches!(error, ReplayError::Tools(_)) { Exit::Config } else { Exit::Data }, error)
}

fn show(run: &RunId, calls: &[ReplayedCall], context: &mut Context<'_>) -> Result<Exit, CliError> {
    let different = calls.iter().filter(|call| !call.is_same()).count();
    let exit = if different == 0 { Exit::Ok } else { Exit::Failed };
    let terminal = &mut *context.terminal;
    if terminal.json {
        let call = |call: &ReplayedCall| {
            let returned = |returned: &Option<exoclaw_agent::ToolReturn>| {
                returned.as_ref().map(|returned| json!({ "output": returned.output, "metering": returned.metering }))
            };
            json!({
                "step": call.step, "call": call.call, "same": call.is_same(), "recorded": call.missed.is_some(),
                "missed": call.missed.iter().flatten().collect::<Vec<_>>(),
                "then": returned(&call.then), "now": returned(&call.now),
            })
        };
        let calls: Vec<_> = calls.iter().map(call).collect();
        terminal.value(&json!({ "runId": run, "different": different, "calls": calls }))?;
        return Ok(exit);
    }
    let colour = terminal.out_colour;
    for call in calls {
        let (sign, style) = if call.is_same() { ("=", Style::Good) } else { ("≠", Style::Bad) };
        let arguments = shortened(&call.call.input.to_string(), SHOWN);
        let name = colour.paint(Style::Bold, printable(&call.call.name));
        terminal.line(format_args!("{} step {}  {name} {arguments}", colour.paint(style, sign), call.step))?;
        for missed in call.missed.iter().flatten() {
            let text = format!("asked for what was not recorded: {}", printable(missed));
            terminal.line(format_args!("    {}", colour.paint(Style::Note, text)))?;
        }
        if !call.is_same() {
            let told = |returned: &Option<exoclaw_agent::ToolReturn>| match returned {
                None => "(it was not run)\n".to_owned(),
                Some(returned) => {
                    let kind =
                        returned.output.failure.map(|kind| format!("({})\n", json!(kind).as_str().unwrap_or("")));
                    format!("{}{}\n", kind.unwrap_or_default(), text(&returned.output).trim_end())
                }
            };
            for line in differences(&told(&call.then), &told(&call.now)) {
                let style = if line.starts_with('+') { Style::Good } else { Style::Bad };
                let plain = line.starts_with(' ');
                let shown = if plain { line } else { colour.paint(style, line).to_string() };
                terminal.line(format_args!("    {shown}"))?;
            }
        }
    }
    let total = calls.len();
    let recorded = calls.iter().filter(|call| call.missed.is_some()).count();
    if recorded < total {
        terminal.say(format_args!(
            "{} of {total} calls were not recorded: they saw the clock, their directories and an empty store as they are now, \
             and no network",
            total - recorded
        ))?;
    }
    terminal.say(match different {
        0 => format!("all {total} calls gave back what they did then"),
        _ => format!("{different} of {total} calls gave back something else"),
    })?;
    Ok(exit)
}

/// Lines that went, with `-`, and that came, with `+`, among some of those that stayed.
fn differences(then: &str, now: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(then, now);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", printable(change.value().trim_end_matches('\n'))));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn differences_stand_among_what_stayed() {
        let (then, now) = ("1\n2\n3\n4\n5\n6\n", "1\n2\n3\nx\x1b\n5\n6\n");
        assert_eq!(differences(then, now), ["  2", "  3", "- 4", "+ x\u{fffd}", "  5", "  6"]);
        assert!(differences(then, then).is_empty());
    }
}
