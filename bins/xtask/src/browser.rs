//! A real browser for the tests of the page.

use std::{env, path::PathBuf, process::Command};

use crate::{
    shell::{Result, Shell},
    toolchain::{self, Guest},
    up,
};

/// The rules of accessibility (Deque's axe-core, MPL 2.0), which only the tests read.
const AXE: &str = "axe-core@4.14.1";

/// Names under which the tests look for one.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Serves tests to a browser; of the version of `wasm-bindgen` in the workspace.
const RUNNER: &str = "wasm-bindgen-cli";
const RUNNER_VERSION: &str = "0.2.130";

/// Installs Chromium where there is none. Where that is not possible, the tests of the page say that they are skipped; in CI
/// it is an error.
pub(crate) fn setup(shell: &mut Shell) -> Result<()> {
    match browser(shell).and_then(|()| runner(shell)) {
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("no Chromium or nothing that drives it, so that not all of the page is tested: {error}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Every test of the page, none of them left out.
pub(crate) fn gate(shell: &mut Shell) -> Result<()> {
    let axe = axe(shell)?;
    crate::ci::build(shell)?;
    let mut test = crate::ci::tester(shell, "test --locked --workspace --test it browser::")?;
    shell.run(test.env("CI", "true").env("EXOCLAW_AXE", axe))
}

/// Measures the page of a release build, and takes the pictures that the README shows.
pub(crate) fn page(shell: &mut Shell) -> Result<()> {
    up::plugins(shell)?;
    shell.section("browser", setup)?;
    shell.section("daemon and page", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --release --locked --package exoclawd")?)
    })?;
    shell.section("figures and pictures", |shell| {
        let daemon = shell.target().join("release/exoclawd").with_extension(env::consts::EXE_EXTENSION);
        let tests = "test --locked --package exoclaw-tests --test it browser::figures -- --nocapture --test-threads=1";
        let mut test = crate::ci::tester(shell, tests)?;
        test.env("EXOCLAWD_BIN", daemon).env("EXOCLAW_PAGE_PICTURES", shell.root().join("specs/evidence"));
        shell.run(test.env("CI", "true"))
    })
}

/// Fetches the rules of accessibility; none of the package's scripts runs.
fn axe(shell: &Shell) -> Result<PathBuf> {
    let folder = shell.tools().join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    let version = AXE.rsplit_once('@').map_or("", |(_, version)| version);
    let package = std::fs::read_to_string(folder.join("node_modules/axe-core/package.json")).unwrap_or_default();
    if !package.contains(&format!("\"version\": \"{version}\"")) {
        if !shell.succeeds(shell.command("npm").arg("--version")) {
            toolchain::install_packages(shell, &["npm"])?;
        }
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.json"), r#"{ "private": true }"#)?;
        let mut npm = shell.command("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", AXE]).current_dir(&folder);
        shell.run(&mut npm)?;
    }
    Ok(file)
}

fn browser(shell: &mut Shell) -> Result<()> {
    let has = |name: &str| shell.succeeds(shell.command(name).arg("--version"));
    if NAMES.iter().any(|name| has(name)) && has("chromedriver") {
        return Ok(());
    }
    toolchain::install_packages(shell, &["chromium", "chromium-driver"])
}

fn runner(shell: &mut Shell) -> Result<()> {
    let path = shell.tools().join("bin/wasm-bindgen");
    if shell.read(Command::new(path).arg("--version")).is_ok_and(|have| have.ends_with(RUNNER_VERSION)) {
        return Ok(());
    }
    // Without `--locked`: its lock file names a version that was withdrawn.
    let mut install = shell.cargo("install --root");
    install.arg(shell.tools()).args(["--version", RUNNER_VERSION, RUNNER]);
    shell.run(&mut install)
}
