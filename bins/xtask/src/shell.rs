//! Commands in the project's folder, and how long each section of them took.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) struct Shell {
    root: PathBuf,
    sections: Vec<(String, Duration)>,
}

impl Shell {
    pub(crate) fn new() -> Result<Self> {
        let here = env::var_os("CARGO_MANIFEST_DIR").ok_or("start it with `cargo xtask`")?;
        let root = Path::new(&here).ancestors().nth(2).ok_or("this package is not in bins/")?;
        Ok(Self { root: root.to_owned(), sections: Vec::new() })
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// Where tools are installed that only the project needs.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that started this, with arguments split at spaces.
    pub(crate) fn cargo(&self, args: &str) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args.split_whitespace());
        // What cargo tells the program it runs is not for the next cargo.
        for (name, _) in env::vars_os() {
            let ours =
                name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
            if ours {
                command.env_remove(name);
            }
        }
        command
    }

    /// Shows and runs a command.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        eprintln!("$ {}", written(command));
        let status = command.status().map_err(|error| format!("start {}: {error}", written(command)))?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", written(command)).into()) }
    }

    /// Whether a command runs and succeeds, without its output.
    pub(crate) fn succeeds(&self, command: &mut Command) -> bool {
        command.output().is_ok_and(|output| output.status.success())
    }

    /// What a command prints, without the last newline.
    pub(crate) fn read(&self, command: &mut Command) -> Result<String> {
        let output = command.output().map_err(|error| format!("start {}: {error}", written(command)))?;
        if !output.status.success() {
            return Err(format!("{}: {}", written(command), String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Runs a part under its own heading and keeps its time.
    pub(crate) fn section(&mut self, name: &str, part: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let outcome = part(self).map_err(|error| format!("{name}: {error}"));
        self.sections.push((name.to_owned(), started.elapsed()));
        Ok(outcome?)
    }

    /// Prints how long each section took.
    pub(crate) fn report(&self) {
        if self.sections.is_empty() {
            return;
        }
        eprintln!("\n== time");
        for (name, time) in &self.sections {
            eprintln!("{:>8.1} s  {name}", time.as_secs_f64());
        }
    }
}

fn written(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
