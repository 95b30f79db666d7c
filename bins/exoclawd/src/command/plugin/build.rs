//! `plugin build`: the project's own tools, then `plugin pack`.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Context, pack};
use crate::{
    cli::{PluginBuildArgs, PluginPackArgs},
    error::{CliError, Exit},
};

/// Where Rust's compiler builds a component.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// Where the other languages' tools put it.
pub(super) const COMPONENT: &str = "component.wasm";

/// Python's tool, and the project's own folder for it.
const COMPONENTIZE_PY: &str = "componentize-py";
const VENV: &str = ".venv";

pub(super) fn run(args: PluginBuildArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let project = Project { folder: &args.project };
    if project.has("Cargo.toml") {
        project.rust(context)?;
    } else if project.has("package.json") {
        project.js(context)?;
    } else if project.has("requirements.txt") {
        project.python(context)?;
    } else {
        let message = format!("{} has no Cargo.toml, package.json or requirements.txt", args.project.display());
        return Err(CliError::new(Exit::Data, message)
            .hint("run it in a plugin's project; `exoclawd plugin new NAME` makes one")
            .hint("a component of another tool becomes a plugin by `exoclawd plugin pack --component FILE`"));
    }
    pack::run(&PluginPackArgs { project: args.project, component: None, out: args.out }, context)
}

struct Project<'a> {
    folder: &'a Path,
}

impl Project<'_> {
    fn has(&self, file: &str) -> bool {
        self.folder.join(file).exists()
    }

    fn rust(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        let cargo = "install Rust from https://rustup.rs";
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(self.folder);
        let printed = rustc.output().map_err(|error| missing("rustc", error, cargo))?;
        let library = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim());
        if printed.status.success() && !library.is_dir() {
            let message = format!("Rust has no standard library for {TARGET} here");
            return Err(CliError::new(Exit::Unavailable, message).hint(format!("run `rustup target add {TARGET}`")));
        }
        self.step("cargo", &["build", "--release", "--target", TARGET], cargo, context)
    }

    fn js(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        let node = "install Node.js 20 or newer, with npm, from https://nodejs.org";
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        if !self.has("node_modules") {
            self.step(npm, &["install", "--no-fund", "--no-audit"], node, context)?;
        }
        self.step(npm, &["run", "build"], node, context)
    }

    fn python(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        let tool = self.componentize_py(context)?;
        let args = ["-d", "wit", "-w", "tool-plugin", "componentize", "plugin", "-o", COMPONENT];
        self.step(&tool, &args, "remove .venv and build again", context)
    }

    /// The one of the environment that is active, or the project's own, which is made where it is not there.
    fn componentize_py(&self, context: &mut Context<'_>) -> Result<String, CliError> {
        let mut active = Command::new(COMPONENTIZE_PY);
        active.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if active.status().is_ok_and(|status| status.success()) {
            return Ok(COMPONENTIZE_PY.to_owned());
        }
        let programs = Path::new(VENV).join(if cfg!(windows) { "Scripts" } else { "bin" });
        let own = programs.join(COMPONENTIZE_PY).with_extension(std::env::consts::EXE_EXTENSION);
        if !self.folder.join(&own).exists() {
            let python = if cfg!(windows) { "python" } else { "python3" };
            let remedy = "install Python 3.10 or newer, with venv (on Debian: python3-venv)";
            self.step(python, &["-m", "venv", VENV], remedy, context)?;
            let pip = self.absolute(&programs.join("pip"))?;
            self.step(&pip, &["install", "--quiet", "-r", "requirements.txt"], remedy, context)?;
        }
        self.absolute(&own)
    }

    /// A path in the project, which is where steps run: a relative one would be looked for from elsewhere.
    fn absolute(&self, path: &Path) -> Result<String, CliError> {
        let path = std::path::absolute(self.folder.join(path))
            .map_err(|error| CliError::new(Exit::Io, format!("find {}", path.display())).because(error))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Shows and runs a command in the project. What it prints is talk: data is what was packed.
    fn step(&self, program: &str, args: &[&str], remedy: &str, context: &mut Context<'_>) -> Result<(), CliError> {
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        context.terminal.say(format_args!("$ {name} {}", args.join(" ")))?;
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder).stdin(Stdio::null()).stdout(io::stderr());
        if program.contains(VENV) {
            // What the project installed is what its component is made of.
            command.env("VIRTUAL_ENV", self.absolute(Path::new(VENV))?);
        }
        let status = command.status().map_err(|error| missing(&name, error, remedy))?;
        if status.success() {
            return Ok(());
        }
        Err(CliError::new(Exit::Failed, format!("{name} ended with {status}")))
    }
}

/// A tool that can't be started, mostly because it is not there.
fn missing(name: &str, error: io::Error, remedy: &str) -> CliError {
    CliError::new(Exit::Unavailable, format!("start {name}")).because(error).hint(remedy)
}
