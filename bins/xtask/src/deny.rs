//! Licences, bans, sources and advisories of dependencies.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    shell::{Result, Shell},
    toolchain,
};

const VERSION: &str = "0.20.2";

/// Where cargo-deny takes advisories from unless it is told otherwise.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// Checks `deny.toml`. Without a network the advisories of a local copy are taken: `EXOCLAW_ADVISORY_DB`, or
/// `../shared/advisory-db` if it is there.
pub(crate) fn check(shell: &mut Shell) -> Result<()> {
    let deny = toolchain::tool(shell, "cargo-deny", VERSION)?;
    let deny = |args: &str| {
        let mut command = shell.command(&deny);
        command.arg("--locked").args(args.split(' '));
        command
    };
    let advisories = advisories(shell, &mut deny("fetch db"))?;
    // An exception that the product no longer needs goes; plugins need none.
    for (workspace, stale) in [("Cargo.toml", "-D"), ("plugins-examples/Cargo.toml", "-A")] {
        let stale = format!("{stale} advisory-not-detected {stale} license-exception-not-encountered");
        let mut check = deny(&format!("--config deny.toml --manifest-path {workspace} check {stale}"));
        shell.run(check.envs(advisories.iter().cloned()))?;
    }
    Ok(())
}

/// Fetches the advisories. Gives back what makes git take a local copy where that is not possible.
fn advisories(shell: &Shell, fetch: &mut Command) -> Result<Vec<(&'static str, String)>> {
    if shell.succeeds(fetch) {
        return Ok(Vec::new());
    }
    let copy = match env::var_os("EXOCLAW_ADVISORY_DB") {
        Some(path) => PathBuf::from(path),
        None => shell.root().join("../shared/advisory-db"),
    };
    if !copy.join("crates").is_dir() {
        return Err("the advisories can't be fetched; EXOCLAW_ADVISORY_DB names a local copy of their folder".into());
    }
    eprintln!("the advisories can't be fetched: taking those of a local copy");
    let repository = committed(shell, &copy)?;
    Ok(vec![
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", format!("url.file://{}.insteadOf", repository.display())),
        ("GIT_CONFIG_VALUE_0", ADVISORIES.to_owned()),
    ])
}

/// cargo-deny wants a repository, so the files of the copy are committed to one.
fn committed(shell: &Shell, copy: &Path) -> Result<PathBuf> {
    let repository = shell.target().join("advisories.git");
    if repository.exists() {
        fs::remove_dir_all(&repository)?;
    }
    let git = |args: &[&str]| {
        let mut command = shell.command("git");
        command.arg("--git-dir").arg(&repository).arg("--work-tree").arg(copy);
        command.args(["-c", "user.name=xtask", "-c", "user.email=xtask@localhost", "-c", "commit.gpgsign=false"]);
        shell.read(command.args(args))
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "--force", "--all", "."])?;
    git(&["commit", "--quiet", "--message=copy"])?;
    Ok(repository)
}
