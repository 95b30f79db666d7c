//! `plugin`: from a new project to a tool that an agent uses.

mod add;
mod build;
mod call;
mod inspect;
mod list;
mod new;
mod open;
mod pack;
mod remove;
mod sign;

use std::{fmt, path::Path, time::Duration};

use exoclaw_runtime::ReadyPlugin;
use exoclaw_sandbox::{FormatError, Grants, Manifest, SandboxConfig, Trust, componentize};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

pub(super) use call::{content_text, cost};

use super::Context;
use crate::{
    cli::PluginCommand,
    config::{Flags, Loaded},
    error::{CliError, Exit},
    nearest,
    plugins::{self, Wanted},
    terminal::duration,
};

pub(super) fn run(command: PluginCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        PluginCommand::New(args) => new::run(&args, context),
        PluginCommand::Build(args) => build::run(args, context),
        PluginCommand::Pack(args) => pack::run(&args, context),
        PluginCommand::Keygen { file } => sign::keygen(&file, context),
        PluginCommand::Sign(args) => sign::sign(&args, context),
        PluginCommand::Verify(args) => sign::verify(&args, context),
        PluginCommand::Inspect { plugin } => inspect::run(&plugin, context),
        PluginCommand::Call(args) => call::run(&args, context),
        PluginCommand::Add(args) => add::run(&args, context),
        PluginCommand::List => list::run(context),
        PluginCommand::Remove { name } => remove::run(&name, context),
    }
}

/// A plugin of the config by its name, or a file by its path: whatever has a `/` or ends with `.wasm`. A file is granted
/// nothing but a store of its own.
fn find(plugin: &str, context: &mut Context<'_>) -> Result<(Wanted, bool), CliError> {
    if plugin.contains(std::path::MAIN_SEPARATOR) || plugin.ends_with(".wasm") {
        let opened = open::open(Path::new(plugin), None, None, context)?;
        let grants = Grants { kv: opened.manifest.requests.kv, ..Grants::default() };
        return Ok((Wanted { grants, ..opened.wanted() }, false));
    }
    let loaded = config(context)?;
    let found = loaded.config.plugins.iter().find(|config| config.name.as_str() == plugin);
    match found {
        Some(config) => Ok((plugins::wanted(config, &context.home, loaded.directory()), true)),
        None => Err(unknown(plugin, &loaded)),
    }
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
    std::fs::read(path).map_err(|error| io_error("read", path, error))
}

/// Reads a component. A core module that carries component types becomes the component that they describe.
fn read_component(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = read(path)?;
    if !matches!(Manifest::of_component(&bytes), Err(FormatError::CoreModule)) {
        return Ok(bytes);
    }
    let refused = |error| CliError::new(Exit::Data, format!("{} is no component", path.display())).because(error);
    componentize(&bytes).map_err(refused)
}

fn manifest(bytes: &[u8], path: &Path) -> Result<Manifest, CliError> {
    Manifest::of_component(bytes).map_err(|error| {
        CliError::new(Exit::Data, format!("{} is no plugin", path.display()))
            .because(error)
            .hint("`exoclawd plugin pack` makes one of a component and its plugin.toml")
    })
}

/// Compiles a plugin, or takes it from the cache, and says meanwhile what it does.
pub(super) fn load(wanted: &Wanted, trust: Trust, context: &Context<'_>) -> Result<ReadyPlugin, CliError> {
    let bar = progress(&format!("compiling {}", wanted.name), context);
    let sandbox = plugins::sandbox(&context.home, trust)?;
    let loaded = plugins::load_one(&sandbox, wanted, context.env, &context.home);
    bar.finish_and_clear();
    loaded.map_err(|error| CliError::new(Exit::Data, format!("plugin {}: {error}", wanted.name)))
}

/// How much of the time that compiling may take has passed; nothing where nobody watches.
fn progress(text: &str, context: &Context<'_>) -> ProgressBar {
    if !context.terminal.talk_is_screen {
        return ProgressBar::hidden();
    }
    const CELLS: usize = 24;
    let limit = SandboxConfig::default().compile_time;
    let share = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let share = state.elapsed().as_secs_f64() / limit.as_secs_f64();
        let full = ((share * CELLS as f64) as usize).min(CELLS);
        // Nobody is left to tell if the screen takes no more.
        write!(out, "{}{}", "█".repeat(full), "░".repeat(CELLS - full)).ok();
    };
    let bar = ProgressBar::new_spinner().with_message(text.to_owned());
    let template = format!("{{spinner}} {{msg}} {{share}} {{elapsed}} of at most {}", duration(limit));
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.with_key("share", share));
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Writes a file that is there whole or not at all.
fn write(bytes: &[u8], target: &Path) -> Result<(), CliError> {
    let partial = target.with_extension("wasm.new");
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, target));
    written.map_err(|error| io_error("write", target, error))
}

fn io_error(action: &str, path: &Path, error: std::io::Error) -> CliError {
    CliError::new(Exit::Io, format!("{action} {}", path.display())).because(error)
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
