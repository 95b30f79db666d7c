//! `plugin add`: validate, show, ask, pin.

use std::path::Path;

use exoclaw_sandbox::{ByteSize, Kind, Limits, Manifest, Sha256Digest};

use super::{
    Context,
    open::{Opened, open},
};
use crate::{
    cli::PluginAddArgs,
    config::{Loaded, NewPlugin},
    error::{CliError, Exit},
    home::create_private,
    keys,
    plugins::{self, Wanted},
    terminal,
};

pub(super) fn run(args: &PluginAddArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let loaded = super::config(context)?;
    let known = |id: &String| loaded.config.agents.iter().any(|agent| agent.id.as_str() == id);
    if let Some(agent) = args.agent.as_ref().filter(|id| !known(id)) {
        return Err(CliError::new(Exit::Data, format!("the config has no agent {agent:?}")));
    }
    // The whole of it is tried before anything is asked or written.
    let opened = open(&args.file, args.policy.as_deref(), args.name.as_ref(), context)?;
    let is_channel = opened.manifest.kind == Kind::Channel;
    if let (true, Some(agent)) = (is_channel, &args.agent) {
        let message = format!("{} is a channel: neither {agent} nor any other agent calls it", opened.manifest.name);
        return Err(CliError::new(Exit::Usage, message).hint("add it without --agent"));
    }
    let sha256 = Sha256Digest::of(&opened.bytes);
    let wanted = Wanted { pin: Some(sha256), ..opened.wanted() };
    super::load(&wanted, plugins::trust(&loaded.config), context)?;
    let Opened { bytes, manifest, .. } = opened;

    if !context.terminal.json {
        super::inspect::head(&manifest, context)?;
        if let Some(adopted) = &opened.adopted {
            super::lines("policy", &[adopted.policy_line()], context)?;
        }
        super::inspect::offers("", &manifest, context)?;
        super::lines("asks for", &manifest.requests.lines(), context)?;
    }
    let mut plugin = plan(args, &manifest, &loaded, context)?;
    plugin.sha256 = sha256.to_string();
    plugin.component = larger(bytes.len() as u64, context)?;
    if let Some(memory) = opened.adopted.and_then(|adopted| adopted.memory) {
        context.terminal.notice(format_args!("its policy limits it: limits.memory will be {memory}"))?;
        plugin.memory = Some(memory.to_string());
    }
    if !args.yes && !context.confirm(&format!("add {} with these grants?", manifest.name))? {
        context.terminal.say("nothing was changed")?;
        return Ok(Exit::Failed);
    }
    let agent = if is_channel { None } else { agent(args, &manifest, &loaded, context)? };

    let target = loaded.directory().join(&plugin.path);
    let folder = target.parent().unwrap_or(loaded.directory());
    create_private(folder).map_err(|error| super::io_error("create", folder, error))?;
    super::write(&bytes, &target)?;
    for [host, _, _] in &plugin.fs {
        let host = context.home.expand(host, loaded.directory());
        create_private(&host).map_err(|error| super::io_error("create", &host, error))?;
    }
    let mut edit = context.edit(&loaded)?;
    edit.set_plugin(&plugin).map_err(super::super::edit_error)?;
    if let Some(agent) = &agent {
        edit.give_tool(agent, &plugin.name).map_err(super::super::edit_error)?;
    }
    context.save(&edit)?;

    if context.terminal.json {
        let body = serde_json::json!({ "added": plugin.name, "sha256": plugin.sha256, "path": target, "agent": agent });
        context.terminal.value(&body)?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(format_args!("added {} to {}", plugin.name, loaded.path.display()))?;
    let used = loaded.config.channels.iter().any(|channel| channel.plugin == manifest.name);
    match agent {
        None if is_channel && used => {}
        None if is_channel => {
            let table = format!("[[channels]] with a name and plugin = {:?}", plugin.name);
            context.terminal.say(format_args!("nobody can write through it yet: add {table}"))?;
        }
        Some(agent) => context.terminal.say(format_args!("agent {agent} may use it"))?,
        None => {
            context.terminal.say(format_args!("no agent uses it yet: add {:?} to an agent's tools", plugin.name))?
        }
    }
    context.terminal.say("a running daemon takes it up when it is restarted")?;
    Ok(Exit::Ok)
}

/// What will be granted: whatever is asked for and can be had. Directories are the operator's to name.
fn plan(
    args: &PluginAddArgs,
    manifest: &Manifest,
    loaded: &Loaded,
    context: &mut Context<'_>,
) -> Result<NewPlugin, CliError> {
    let requests = &manifest.requests;
    let mut fs = Vec::new();
    for request in &requests.fs {
        let access = request.access.to_string();
        let named = args.dir.iter().find_map(|dir| dir.split_once('=').filter(|(guest, _)| *guest == request.guest));
        let question = format!("directory of this machine for {} ({access}), empty for none: ", request.guest);
        let host = match named {
            Some((_, host)) => absolute(host)?,
            None if args.yes || !context.terminal.interactive => String::new(),
            None => context.question(&question)?,
        };
        if host.is_empty() {
            let guest = &request.guest;
            context
                .terminal
                .notice(format_args!("{access} of {guest} is not granted; grant it with --dir {guest}=DIRECTORY"))?;
        } else {
            fs.push([host, request.guest.clone(), access]);
        }
    }
    let http = requests.http.iter().map(ToString::to_string).collect();
    let secrets = secrets(manifest, context)?;
    if let Some(dir) = args.dir.iter().find(|dir| !asked_for(dir, manifest)) {
        let hint = "write it as --dir /guest=HOST, with a guest path that the plugin asks for";
        return Err(CliError::new(Exit::Usage, format!("--dir {dir} fits no request")).hint(hint));
    }
    let path = format!("plugins/{}.wasm", manifest.name);
    let kv = requests.kv.map(|size| size.to_string());
    let (name, env) = (manifest.name.to_string(), requests.env.clone());
    let replaced = loaded.config.plugins.iter().any(|plugin| plugin.name == manifest.name);
    if replaced {
        context.terminal.notice(format_args!("{name} is in the config already: component and grants are replaced"))?;
    }
    Ok(NewPlugin { name, path, sha256: String::new(), fs, http, env, secrets, kv, component: None, memory: None })
}

/// What a component needs that is larger than usual, in whole MiB.
fn larger(size: u64, context: &mut Context<'_>) -> Result<Option<String>, CliError> {
    let usual = Limits::default().component;
    if size <= usual.0 {
        return Ok(None);
    }
    let wanted = ByteSize(size.next_multiple_of(1 << 20)).to_string();
    let size = terminal::bytes(size);
    context.terminal.notice(format_args!("it is larger than {usual}, {size}: limits.component will be {wanted}"))?;
    Ok(Some(wanted))
}

/// The secrets that are kept already: a grant of another one would keep the plugin from loading.
fn secrets(manifest: &Manifest, context: &mut Context<'_>) -> Result<Vec<String>, CliError> {
    let mut granted = Vec::new();
    for secret in &manifest.requests.secrets {
        let name = &secret.name;
        if keys::secret(name, &context.home)?.is_some() {
            granted.push(name.clone());
        } else {
            let program = context.program();
            let remedy = format!("keep it with `{program} secret set {name}`, then add the plugin again");
            context.terminal.notice(format_args!("the secret {name} is not there and not granted: {remedy}"))?;
        }
    }
    Ok(granted)
}

fn asked_for(dir: &str, manifest: &Manifest) -> bool {
    dir.split_once('=').is_some_and(|(guest, _)| manifest.requests.fs.iter().any(|request| request.guest == guest))
}

/// The agent that may use it at once: the one that is named, else the default one if its owner agrees.
fn agent(
    args: &PluginAddArgs,
    manifest: &Manifest,
    loaded: &Loaded,
    context: &mut Context<'_>,
) -> Result<Option<String>, CliError> {
    if args.agent.is_some() {
        return Ok(args.agent.clone());
    }
    let Some(default) = loaded.config.default_agent() else { return Ok(None) };
    if args.yes || !context.terminal.interactive {
        return Ok(None);
    }
    let agreed = context.confirm(&format!("let the agent {} use {}?", default.id, manifest.name))?;
    Ok(agreed.then(|| default.id.to_string()))
}

/// From the folder in which the command was given, not the config's.
fn absolute(host: &str) -> Result<String, CliError> {
    if host.starts_with('~') {
        return Ok(host.to_owned());
    }
    let path = std::path::absolute(host).map_err(|error| super::io_error("find", Path::new(host), error))?;
    Ok(path.display().to_string())
}
