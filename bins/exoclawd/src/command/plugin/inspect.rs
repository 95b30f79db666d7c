//! `plugin inspect`: what it offers and asks for. None of its code runs.

use exoclaw_sandbox::{Kind, Manifest, Permit, Sha256Digest};

use super::Context;
use crate::{
    error::{CliError, Exit, chain},
    plugins::Component,
    terminal::{Style, bytes, printable, shortened},
};

pub(super) fn run(plugin: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let (wanted, configured) = super::find(plugin, context)?;
    let (path, component) = match wanted.component {
        Component::File(path) => {
            let component = super::read(&path)?;
            (path, component)
        }
        Component::Bytes(bytes) => (plugin.into(), bytes.into_owned()),
    };
    let manifest = super::manifest(&component, &path)?;
    let sha256 = Sha256Digest::of(&component);
    let permit = Permit::new(&manifest, &wanted.grants, &wanted.limits);
    let granted = permit.as_ref().map(|permit| permit.granted().to_vec()).unwrap_or_default();
    let pinned = wanted.pin.is_none_or(|pin| pin == sha256);
    if context.terminal.json {
        let tool = |tool: &exoclaw_sandbox::ToolDecl| {
            let (name, effect) = (&tool.name, tool.effect);
            serde_json::json!({ "name": name, "description": tool.description, "effect": effect, "inputSchema": tool.input_schema })
        };
        let body = serde_json::json!({
            "name": manifest.name, "version": manifest.version, "description": manifest.description, "path": path,
            "bytes": component.len(), "sha256": sha256.to_string(), "pinned": wanted.pin.is_some(), "pinMatches": pinned,
            "kind": manifest.kind, "tools": manifest.tools.iter().map(tool).collect::<Vec<_>>(), "requested": manifest.requests.lines(),
            "granted": configured.then_some(granted), "grantError": permit.err().map(|error| chain(&error)),
        });
        context.terminal.value(&body)?;
        return Ok(Exit::Ok);
    }
    head(&manifest, context)?;
    context.terminal.line(format_args!("file      {}, {}", path.display(), bytes(component.len() as u64)))?;
    let pin = match (wanted.pin, pinned) {
        (None, _) => "",
        (Some(_), true) => " (pinned)",
        (Some(_), false) => " (another one is pinned: it is not loaded)",
    };
    context.terminal.line(format_args!("sha256    {sha256}{pin}"))?;
    offers("", &manifest, context)?;
    super::lines("asks for", &manifest.requests.lines(), context)?;
    match permit {
        Ok(_) if configured => super::lines("granted", &granted, context)?,
        Ok(_) => {}
        Err(error) => super::lines("granted", &[format!("nothing: {}", chain(&error))], context)?,
    }
    Ok(Exit::Ok)
}

/// Name, version and purpose.
pub(super) fn head(manifest: &Manifest, context: &mut Context<'_>) -> Result<(), CliError> {
    let name = context.terminal.out_colour.paint(Style::Bold, &manifest.name);
    let description = shortened(&manifest.description, 200);
    context.terminal.line(format_args!("{name} {}: {description}", printable(&manifest.version)))?;
    Ok(())
}

/// What it is: its tools, or a channel.
pub(super) fn offers(indent: &str, manifest: &Manifest, context: &mut Context<'_>) -> Result<(), CliError> {
    match manifest.kind {
        Kind::Tools => super::lines(&format!("{indent}tools"), &tools(manifest), context),
        Kind::Channel => {
            let what = "a channel: people on another platform talk to agents through it";
            super::lines(&format!("{indent}is"), &[what.to_owned()], context)
        }
    }
}

/// A line for each tool.
fn tools(manifest: &Manifest) -> Vec<String> {
    let width = manifest.tools.iter().map(|tool| tool.name.as_str().len()).max().unwrap_or(0);
    let line = |tool: &exoclaw_sandbox::ToolDecl| {
        let effect = tool.effect.as_str();
        format!("{:<width$}  {effect:<10}  {}", tool.name, shortened(&tool.description, 120))
    };
    manifest.tools.iter().map(line).collect()
}
