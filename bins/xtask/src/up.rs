//! The product, built and started.

use std::{env, path::Path};

use crate::{
    plugins,
    shell::{Result, Shell},
    toolchain::{self, Guest},
};

/// Sets up and builds the example plugins.
pub(crate) fn plugins(shell: &mut Shell) -> Result<()> {
    shell.section("setup", toolchain::setup)?;
    shell.section("plugins", plugins::build)
}

/// Builds everything and starts the daemon, as a demo where nothing is configured.
pub(crate) fn up(shell: &mut Shell, args: &[String]) -> Result<()> {
    plugins(shell)?;
    shell.section("daemon and page", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --release --locked --package exoclawd")?)
    })?;
    shell.report();
    let mut daemon = shell.command(shell.target().join("release/exoclawd"));
    daemon.arg("gateway").args(args);
    if !configured(args) {
        daemon.arg("--demo");
    }
    // The daemon is what Ctrl-C is for.
    if let Ok(here) = env::current_dir() {
        daemon.current_dir(here);
    }
    replace_with(shell, &mut daemon)
}

/// Whether the daemon will find a config, or was told what to do without one.
fn configured(args: &[String]) -> bool {
    let told = |arg: &String| ["--demo", "--config", "--home"].iter().any(|flag| arg.split('=').next() == Some(flag));
    let home = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE")).unwrap_or_default();
    args.iter().any(told)
        || env::var_os("EXOCLAW_CONFIG").is_some()
        || Path::new(&home).join(".exoclaw/config.toml").is_file()
}

#[cfg(unix)]
fn replace_with(_: &Shell, daemon: &mut std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(format!("start the daemon: {}", daemon.exec()).into())
}

#[cfg(not(unix))]
fn replace_with(shell: &Shell, daemon: &mut std::process::Command) -> Result<()> {
    shell.run(daemon)
}
