//! `plugin`: from a new project to a tool that an agent uses.

mod add;
mod build;
mod call;
mod inspect;
mod list;
mod new;
mod pack;
mod remove;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use exoclaw_protocol::PluginName;
use exoclaw_runtime::ReadyPlugin;
use exoclaw_sandbox::{Grants, Limits, Manifest, Sha256Digest, limits};
use indicatif::{ProgressBar, ProgressStyle};

pub(super) use call::{content_text, cost};

use super::Context;
use crate::{
    cli::PluginCommand,
    config::{Flags, Loaded},
    error::{CliError, Exit},
    nearest,
    plugins::{self, Component, Wanted},
};

pub(super) fn run(command: PluginCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        PluginCommand::New(args) => new::run(&args, context),
        PluginCommand::Build(args) => build::run(args, context),
        PluginCommand::Pack(args) => pack::run(&args, context),
        PluginCommand::Inspect { plugin } => inspect::run(&plugin, context),
        PluginCommand::Call(args) => call::run(&args, context),
        PluginCommand::Add(args) => add::run(&args, context),
        PluginCommand::List => list::run(context),
        PluginCommand::Remove { name } => remove::run(&name, context),
    }
}

/// A plugin of the config by its name, or a file by its path: whatever has a `/` or ends with `.wasm`. A file is granted
/// nothing.
fn find(plugin: &str, context: &mut Context<'_>) -> Result<(Wanted, bool), CliError> {
    if plugin.contains(std::path::MAIN_SEPARATOR) || plugin.ends_with(".wasm") {
        let path = PathBuf::from(plugin);
        let manifest = manifest(&read(&path)?, &path)?;
        let component = Component::File(path);
        return Ok((by_hand(manifest.name, component, None), false));
    }
    let loaded = config(context)?;
    let found = loaded.config.plugins.iter().find(|config| config.name.as_str() == plugin);
    match found {
        Some(config) => Ok((plugins::wanted(config, &context.home, loaded.directory()), true)),
        None => Err(unknown(plugin, &loaded)),
    }
}

/// A component that someone has at hand: granted nothing, and as large as any may be.
fn by_hand(name: PluginName, component: Component, pin: Option<Sha256Digest>) -> Wanted {
    let limits = Limits { component: limits::CEILING.component, ..Limits::default() };
    Wanted { name, component, pin, grants: Grants::default(), limits, record: false }
}

fn config(context: &mut Context<'_>) -> Result<Loaded, CliError> {
    let loaded = context.config(&Flags::default())?;
    for notice in &loaded.notices {
        context.terminal.notice(notice)?;
    }
    Ok(loaded)
}

fn unknown(name: &str, loaded: &Loaded) -> CliError {
    let names = loaded.config.plugins.iter().map(|plugin| plugin.name.as_str());
    CliError::new(Exit::Data, format!("the config has no plugin {name:?}"))
        .hint(nearest::hint(name, "plugins", names))
        .hint("a file is named by its path, such as ./echo.wasm")
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::new(Exit::Io, format!("read {}", path.display())).because(error))
}

fn manifest(bytes: &[u8], path: &Path) -> Result<Manifest, CliError> {
    Manifest::of_component(bytes).map_err(|error| {
        CliError::new(Exit::Data, format!("{} is no plugin", path.display()))
            .because(error)
            .hint("`exoclawd plugin pack` makes one of a component and its plugin.toml")
    })
}

/// Compiles a plugin, or takes it from the cache, and says meanwhile what it does.
pub(super) fn load(wanted: &Wanted, context: &Context<'_>) -> Result<ReadyPlugin, CliError> {
    let spinner = spinner(&format!("compiling {}", wanted.name), context);
    let sandbox = plugins::sandbox(&context.home)?;
    let loaded = plugins::load_one(&sandbox, wanted, context.env, &context.home);
    spinner.finish_and_clear();
    loaded.map_err(|error| CliError::new(Exit::Data, format!("plugin {}: {error}", wanted.name)))
}

/// Something that moves while people wait; nothing where nobody watches.
fn spinner(text: &str, context: &Context<'_>) -> ProgressBar {
    if !context.terminal.talk_is_screen {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(text.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Lines under a heading; `nothing` where there are none.
fn lines(heading: &str, lines: &[String], context: &mut Context<'_>) -> Result<(), CliError> {
    let first = lines.first().map_or("nothing", String::as_str);
    context.terminal.line(format_args!("{heading:<10}{}", crate::terminal::printable(first)))?;
    for line in lines.iter().skip(1) {
        context.terminal.line(format_args!("{:<10}{}", "", crate::terminal::printable(line)))?;
    }
    Ok(())
}
