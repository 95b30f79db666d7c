//! `plugin new`.

use std::path::Path;

use exoclaw_protocol::PluginName;

use super::Context;
use crate::{
    cli::{Language, PluginNewArgs},
    error::{CliError, Exit},
};

/// The interface that guests bind to.
const WIT: &str = include_str!("../../../../../crates/exoclaw-sandbox/wit/plugin.wit");

/// Files of a project in Rust, with `{name}` and `{tool}` to be filled in.
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.txt")),
    ("plugin.toml", include_str!("../../../templates/rust/plugin.toml.txt")),
    ("src/lib.rs", include_str!("../../../templates/rust/lib.rs.txt")),
    ("README.md", include_str!("../../../templates/rust/README.md.txt")),
    (".gitignore", "/target\n/*.wasm\n"),
];

pub(super) fn run(args: &PluginNewArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let name: PluginName = args.name.parse().map_err(|error| CliError::of(Exit::Usage, error))?;
    let directory = Path::new(name.as_str());
    if directory.exists() {
        return Err(CliError::new(Exit::Data, format!("{} is there already", directory.display())));
    }
    let files = match args.lang {
        Language::Rust => RUST,
    };
    // A tool's name is at most 30 characters, a plugin's 32.
    let tool: String = name.as_str().replace('-', "_").chars().take(30).collect();
    for (path, text) in files {
        write(&directory.join(path), &text.replace("{name}", name.as_str()).replace("{tool}", &tool))?;
    }
    write(&directory.join("wit/plugin.wit"), WIT)?;
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "name": name, "path": directory, "tool": tool }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(format_args!("made {}/", directory.display()))?;
    context.terminal.say("next:")?;
    context.terminal.say(format_args!("  cd {}", directory.display()))?;
    context.terminal.say("  cargo build --release --target wasm32-wasip2")?;
    context.terminal.say("  exoclawd plugin pack")?;
    context.terminal.say(format_args!("  exoclawd plugin call {name}.wasm {tool} '{{\"name\":\"Ada\"}}'"))?;
    Ok(Exit::Ok)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| CliError::new(Exit::Io, format!("write {}", path.display())).because(error))
}
