//! Builds `plugins-examples/` with a nested cargo and packs each component with its manifest.
//!
//! The nested cargo has its own target folder, `guests` beside the parent's profiles: sharing one would wait for the
//! parent's lock forever. What the parent's build sets for its own crates is kept from it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use exoclaw_plugin_format::{Manifest, pack};

use crate::{Result, rerun_if_changed, variable};

const TARGET: &str = "wasm32-wasip2";

/// What a nested cargo needs of the parent's variables; all others that begin with `CARGO` are the parent's own.
const PASSED_ON: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_TERM_",
];

/// What else changes how crates are compiled.
const KEPT_BACK: &[&str] = &[
    "CLIPPY_ARGS",
    "LLVM_PROFILE_FILE",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
];

/// The packed plugins, in order of name; or why there are none.
pub(crate) fn build(root: &Path, out_dir: &Path) -> Result<std::result::Result<Vec<PathBuf>, String>> {
    let examples = root.join("plugins-examples");
    // A folder that is not there would make cargo run this script in every build.
    if !examples.join("Cargo.toml").is_file() {
        return Ok(Err("plugins-examples is not beside the sources".to_owned()));
    }
    // Not the whole folder: other languages' tools lie in it too.
    rerun_if_changed(&examples.join("Cargo.toml"));
    rerun_if_changed(&examples.join("Cargo.lock"));
    for entry in fs::read_dir(&examples)? {
        let dir = entry?.path();
        if dir.join("Cargo.toml").is_file() {
            rerun_if_changed(&dir);
        }
    }
    rerun_if_changed(&root.join("crates/exoclaw-sandbox/wit"));
    // OUT_DIR is {target folder}/{profile}/build/{package}/out.
    let target_dir = out_dir.ancestors().nth(4).ok_or("OUT_DIR is not in a target folder")?;
    if !has_target()? {
        let ready = target_dir.join("plugins");
        if ready.is_dir() {
            return crate::given(&ready).map(Ok);
        }
        return Ok(Err(format!("run `rustup target add {TARGET}` or `cargo xtask plugins`, then build again")));
    }
    let target_dir = target_dir.join("guests");
    let mut command = nested_cargo()?;
    command.current_dir(&examples).arg("--target-dir").arg(&target_dir);
    let status = command.status().map_err(|error| format!("start {command:?}: {error}"))?;
    if !status.success() {
        return Err("the example plugins did not compile, see above; EXOCLAW_PLUGINS_DIST=none builds without".into());
    }
    let components = target_dir.join(TARGET).join("release");
    let mut files = Vec::new();
    for entry in fs::read_dir(&examples)? {
        let dir = entry?.path();
        // Those in other languages need tools that not every build has.
        if dir.join("plugin.toml").is_file() && dir.join("Cargo.toml").is_file() {
            files.push(packed(&dir, &components, out_dir)?);
        }
    }
    files.sort();
    Ok(Ok(files))
}

/// Packs one example.
fn packed(dir: &Path, components: &Path, out_dir: &Path) -> Result<PathBuf> {
    let manifest = Manifest::from_toml(&fs::read_to_string(dir.join("plugin.toml"))?)
        .map_err(|error| format!("{}: {error}", dir.join("plugin.toml").display()))?;
    let project = fs::read_to_string(dir.join("Cargo.toml"))?;
    let package = package_name(&project).ok_or_else(|| format!("{}: no package name", dir.display()))?;
    // Cargo names the file after the package, with `_` for `-`.
    let component = components.join(package.replace('-', "_")).with_extension("wasm");
    let bytes = fs::read(&component).map_err(|error| format!("read {}: {error}", component.display()))?;
    let file = out_dir.join(format!("{}.wasm", manifest.name));
    fs::write(&file, pack(&bytes, &manifest)?)?;
    Ok(file)
}

/// The first `name = "…"` of a manifest, which is the package's.
fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("name"))?;
    line.split('"').nth(1)
}

/// The compiler's folder for the target is there. It names one for targets that are not installed too.
fn has_target() -> Result<bool> {
    let output = Command::new(variable("RUSTC")?).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn nested_cargo() -> Result<Command> {
    let mut command = Command::new(variable("CARGO")?);
    command.args(["build", "--locked", "--release", "--target", TARGET]);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let kept_back = text.starts_with("CARGO") && !PASSED_ON.iter().any(|passed| text.starts_with(passed));
        if kept_back || KEPT_BACK.contains(&text) {
            command.env_remove(&name);
        }
    }
    Ok(command)
}
