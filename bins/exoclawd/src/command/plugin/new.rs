//! `plugin new`.

use std::path::Path;

use exoclaw_protocol::PluginName;

use super::Context;
use crate::{
    cli::{Language, PluginNewArgs},
    error::{CliError, Exit},
};

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../../templates/", $file))
    };
}

/// Files of a project in any language, with `{{name}}` and `{{tool}}` to be filled in.
const ALL: &[(&str, &str)] = &[
    ("plugin.toml", template!("plugin.toml.txt")),
    ("wit/plugin.wit", include_str!("../../../../../crates/exoclaw-sandbox/wit/plugin.wit")),
];

const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", template!("rust/Cargo.toml.txt")),
    ("src/lib.rs", template!("rust/lib.rs.txt")),
    ("tests/plugin.rs", template!("rust/test.rs.txt")),
    ("README.md", template!("rust/README.md.txt")),
    (".gitignore", "/target\n/*.wasm\n"),
];

const JS: &[(&str, &str)] = &[
    ("package.json", template!("js/package.json.txt")),
    ("plugin.js", template!("js/plugin.js.txt")),
    ("plugin.test.js", template!("js/plugin.test.js.txt")),
    ("README.md", template!("js/README.md.txt")),
    (".gitignore", "/node_modules\n/*.wasm\n"),
];

const PYTHON: &[(&str, &str)] = &[
    ("requirements.txt", template!("python/requirements.txt.txt")),
    ("plugin.py", template!("python/plugin.py.txt")),
    ("test_plugin.py", template!("python/test_plugin.py.txt")),
    ("README.md", template!("python/README.md.txt")),
    (".gitignore", "/.venv\n/*.wasm\n__pycache__/\n"),
];

pub(super) fn run(args: &PluginNewArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let name: PluginName = args.name.parse().map_err(|error| CliError::of(Exit::Usage, error))?;
    let directory = Path::new(name.as_str());
    if directory.exists() {
        return Err(CliError::new(Exit::Data, format!("{} is there already", directory.display())));
    }
    let files = match args.lang {
        Language::Rust => RUST,
        Language::Js => JS,
        Language::Python => PYTHON,
    };
    // A tool's name is at most 30 characters, a plugin's 32.
    let tool: String = name.as_str().replace('-', "_").chars().take(30).collect();
    for (path, text) in ALL.iter().chain(files) {
        write(&directory.join(path), &text.replace("{{name}}", name.as_str()).replace("{{tool}}", &tool))?;
    }
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "name": name, "path": directory, "tool": tool }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(format_args!("made {}/", directory.display()))?;
    context.terminal.say("next:")?;
    context.terminal.say(format_args!("  cd {}", directory.display()))?;
    context.terminal.say("  exoclawd plugin build")?;
    context.terminal.say(format_args!("  exoclawd plugin call {name}.wasm {tool} '{{\"name\":\"Ada\"}}'"))?;
    Ok(Exit::Ok)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| CliError::new(Exit::Io, format!("write {}", path.display())).because(error))
}
