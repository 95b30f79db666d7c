//! `plugin pack`.

use std::path::{Path, PathBuf};

use exoclaw_sandbox::{Manifest, pack};

use super::{Context, build};
use crate::{
    cli::PluginPackArgs,
    error::{CliError, Exit},
    terminal::bytes,
};

pub(super) fn run(args: &PluginPackArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let path = args.project.join("plugin.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CliError::new(Exit::Io, format!("read {}", path.display()))
            .because(error)
            .hint("run it in a plugin's project; `exoclawd plugin new NAME` makes one")
    })?;
    let broken = |error| CliError::new(Exit::Data, format!("{} is no manifest", path.display())).because(error);
    let manifest = Manifest::from_toml(&text).map_err(broken)?;
    let component = args.component.clone().unwrap_or_else(|| built(&args.project, &manifest));
    let component_bytes = super::read_component(&component)
        .map_err(|error| error.hint("build it with `exoclawd plugin build`, or name it with --component FILE"))?;
    let packed = pack(&component_bytes, &manifest)
        .map_err(|error| CliError::new(Exit::Data, format!("pack {}", component.display())).because(error))?;
    let out = args.out.clone().unwrap_or_else(|| args.project.join(format!("{}.wasm", manifest.name)));
    std::fs::write(&out, &packed)
        .map_err(|error| CliError::new(Exit::Io, format!("write {}", out.display())).because(error))?;
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "name": manifest.name, "path": out, "bytes": packed.len() }))?;
    } else {
        let size = bytes(packed.len() as u64);
        context.terminal.line(format_args!("{}: {} {}, {size}", out.display(), manifest.name, manifest.version))?;
    }
    Ok(Exit::Ok)
}

/// Where the language's tool puts the component.
fn built(project: &Path, manifest: &Manifest) -> PathBuf {
    if !project.join("Cargo.toml").exists() {
        return project.join(build::COMPONENT);
    }
    let file = format!("{}.wasm", manifest.name.as_str().replace('-', "_"));
    project.join("target").join(build::TARGET).join("release").join(file)
}
