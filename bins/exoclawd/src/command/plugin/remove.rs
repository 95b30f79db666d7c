//! `plugin remove`.

use super::Context;
use crate::{
    error::{CliError, Exit},
    plugins::{self, Component},
};

pub(super) fn run(name: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let loaded = super::config(context)?;
    let config = loaded.config.plugins.iter().find(|plugin| plugin.name.as_str() == name);
    let config = config.ok_or_else(|| super::unknown(name, &loaded))?;
    let wanted = plugins::wanted(config, &context.home, loaded.directory());
    let mut edit = context.edit(&loaded)?;
    let users = edit.remove_plugin(name).map_err(super::super::edit_error)?.unwrap_or_default();
    context.save(&edit)?;
    // Only the copy that `plugin add` made is ours to delete.
    if let Component::File(path) = &wanted.component
        && path.parent() == Some(&loaded.directory().join("plugins"))
    {
        std::fs::remove_file(path).ok();
    }
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "removed": name, "agents": users }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(format_args!("removed {name}"))?;
    if !users.is_empty() {
        context.terminal.say(format_args!("and its tools from: {}", users.join(", ")))?;
    }
    context.terminal.say("a running daemon keeps it until it is restarted")?;
    Ok(Exit::Ok)
}
