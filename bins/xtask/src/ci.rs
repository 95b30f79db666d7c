//! Tests, and the gates beside them.
//!
//! Flags for warnings are handed to clippy and rustdoc alone: in `RUSTFLAGS` they would build every dependency again.

use std::fs;

use crate::{
    browser, deny,
    shell::{Result, Shell},
    toolchain::{self, Guest},
    up,
};

/// Lines that tests must reach, in percent.
const COVERAGE_FLOOR: u8 = 80;

const LLVM_COV: &str = "0.9.1";

/// Builds everything and runs every test, also those in documentation; or those of the packages that `args` name.
pub(crate) fn test(shell: &mut Shell, args: &[String]) -> Result<()> {
    build(shell)?;
    let names_packages = args.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    let test = if names_packages { "test --locked" } else { "test --locked --workspace" };
    shell.section("tests", |shell| shell.run(Guest::page_cargo(shell, test)?.args(args)))
}

/// What tests of the whole product need: example plugins, a browser, the daemon with its page.
fn build(shell: &mut Shell) -> Result<()> {
    up::plugins(shell)?;
    shell.section("browser", browser::setup)?;
    shell.section("daemon and page", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --locked --workspace --bin exoclawd")?)
    })
}

type Gate = fn(&mut Shell) -> Result<()>;

/// The quick ones first.
const GATES: &[(&str, Gate)] = &[
    ("fmt", fmt),
    ("deny", deny::check),
    ("clippy", clippy),
    ("wasm", wasm),
    ("docs", docs),
    ("alone", alone),
    ("browser", browser),
];

/// Runs the gates that are named, or all; each runs even where another fails.
pub(crate) fn ci(shell: &mut Shell, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !GATES.iter().any(|(gate, _)| gate == name)) {
        let known: Vec<&str> = GATES.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no gate {unknown:?}; there are {}", known.join(", ")).into());
    }
    shell.section("setup", toolchain::setup)?;
    let mut failed = Vec::new();
    for (name, gate) in GATES.iter().filter(|(gate, _)| names.is_empty() || names.iter().any(|name| name == gate)) {
        if let Err(error) = shell.section(name, gate) {
            eprintln!("error: {error}");
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

fn fmt(shell: &mut Shell) -> Result<()> {
    toolchain::component(shell, "rustfmt", "fmt --version")?;
    shell.run(&mut shell.cargo("fmt --all --check"))?;
    shell.run(&mut shell.cargo("fmt --all --check --manifest-path plugins-examples/Cargo.toml"))
}

/// Compiles every example and bench too.
fn clippy(shell: &mut Shell) -> Result<()> {
    toolchain::component(shell, "clippy", "clippy --version")?;
    shell.run(&mut Guest::page_cargo(shell, "clippy --locked --workspace --all-targets -- -D warnings")?)
}

/// What runs in a browser compiles for it.
fn wasm(shell: &mut Shell) -> Result<()> {
    let packages = "--package exoclaw-protocol --package exoclaw-client";
    let target = "--target wasm32-unknown-unknown";
    shell.run(&mut shell.cargo(&format!("clippy --locked {packages} {target} -- -D warnings")))
}

fn docs(shell: &mut Shell) -> Result<()> {
    let mut doc = Guest::page_cargo(shell, "doc --locked --workspace --no-deps")?;
    shell.run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Each library passes by itself, with no feature that only its neighbours ask for.
fn alone(shell: &mut Shell) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(shell.root().join("crates"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        shell.run(&mut shell.cargo(&format!("test --locked --quiet --package {name}")))?;
    }
    Ok(())
}

/// The page in a real browser. With `CI` set its tests do not skip themselves where there is none.
fn browser(shell: &mut Shell) -> Result<()> {
    build(shell)?;
    shell.run(Guest::page_cargo(shell, "test --locked --workspace --test it browser::")?.env("CI", "true"))
}

/// All tests, counting the lines that they reach.
pub(crate) fn coverage(shell: &mut Shell) -> Result<()> {
    build(shell)?;
    shell.section("coverage", |shell| {
        toolchain::component(shell, "llvm-tools", "llvm-cov --version")?;
        toolchain::tool(shell, "cargo-llvm-cov", LLVM_COV)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(shell.tools().join("bin")).chain(std::env::split_paths(&path));
        let folders = std::env::join_paths(folders)?;
        let mut cargo = Guest::page_cargo(shell, "llvm-cov test --locked --workspace --fail-under-lines")?;
        shell.run(cargo.arg(COVERAGE_FLOOR.to_string()).env("PATH", folders))
    })
}

/// Measures a release build. None of it is a test.
pub(crate) fn bench(shell: &mut Shell, args: &[String]) -> Result<()> {
    up::plugins(shell)?;
    shell.section("daemon and page", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --release --locked --package exoclawd")?)
    })?;
    shell.section("serving", |shell| {
        let mut bench = Guest::page_cargo(shell, "bench --locked --package exoclaw-tests --bench serving --")?;
        shell.run(bench.arg(shell.root().join("specs/evidence")))
    })?;
    if args.iter().any(|arg| arg == "serving") {
        return Ok(());
    }
    shell.section("hot paths", |shell| {
        for entry in fs::read_dir(shell.root().join("crates"))? {
            let folder = entry?.path();
            let benches = fs::read_dir(folder.join("benches")).into_iter().flatten();
            for bench in benches {
                let file = bench?.path();
                let (Some(package), Some(name)) = (folder.file_name(), file.file_stem()) else { continue };
                let (package, name) = (package.to_string_lossy(), name.to_string_lossy());
                shell.run(&mut shell.cargo(&format!("bench --locked --package {package} --bench {name}")))?;
            }
        }
        Ok(())
    })
}
