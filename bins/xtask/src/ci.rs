//! Tests, and the gates beside them.
//!
//! Flags for warnings are handed to clippy and rustdoc alone: in `RUSTFLAGS` they would build every dependency again.

use std::{env, ffi::OsStr, fs, process::Command};

use crate::{
    browser, conformance, deny, faults,
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
    shell.section("tests", |shell| shell.run(tester(shell, test)?.args(args)))
}

/// Example plugins, a browser, and what does faults.
fn prepare(shell: &mut Shell) -> Result<()> {
    up::plugins(shell)?;
    shell.section("browser", browser::setup)?;
    shell.section("tools for faults", faults::setup)
}

/// The daemon with its page and every test. In one build: what tests depend on turns on features in what the daemon depends
/// on, so that two builds would share little.
pub(crate) fn build(shell: &mut Shell) -> Result<()> {
    prepare(shell)?;
    shell.section("daemon, page and tests", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --locked --workspace --bins --tests")?)
    })
}

/// A cargo whose tests start what was built here instead of building it again.
pub(crate) fn tester(shell: &Shell, args: &str) -> Result<Command> {
    let mut cargo = Guest::page_cargo(shell, args)?;
    let daemon = shell.target().join("debug/exoclawd").with_extension(env::consts::EXE_EXTENSION);
    cargo.env("EXOCLAWD_BIN", daemon).env("EXOCLAWD_PLUGINS", shell.target().join("plugins"));
    Ok(cargo)
}

/// Examples and new projects in each language, with the tools that people use. Needs Node.js and Python, and registries.
pub(crate) fn languages(shell: &mut Shell, args: &[String]) -> Result<()> {
    left_out(shell, "languages", args, "EXOCLAW_LANGUAGES", "1".as_ref())
}

/// Runs the tests of the whole product that other runs leave out, for want of this variable.
pub(crate) fn left_out(shell: &mut Shell, tests: &str, args: &[String], variable: &str, value: &OsStr) -> Result<()> {
    up::plugins(shell)?;
    let packages = "--locked --package exoclawd --package exoclaw-tests";
    shell.section("daemon and tests", |shell| {
        shell.run(&mut Guest::page_cargo(shell, &format!("build {packages} --bins --tests"))?)
    })?;
    shell.section(tests, |shell| {
        let mut test = tester(shell, &format!("test {packages} --test it {tests}:: --"))?;
        shell.run(test.arg("--test-threads=1").args(args).env(variable, value))
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
    ("conformance", conformance::conformance),
    ("browser", browser::gate),
    ("fuzz", |shell| fuzz(shell, &["--seconds", FUZZ_SECONDS].map(str::to_owned))),
];

/// Seconds for each decoder; a job of its own gives each half a minute.
const FUZZ_SECONDS: &str = "10";

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
    faults::setup(shell)?;
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

/// All tests, counting the lines that they reach.
pub(crate) fn coverage(shell: &mut Shell) -> Result<()> {
    prepare(shell)?;
    shell.section("coverage", |shell| {
        // Where rustup can't add its own, the system's of the same LLVM do.
        if env::var_os("LLVM_COV").is_none() {
            toolchain::component(shell, "llvm-tools", "llvm-cov --version")?;
        }
        toolchain::tool(shell, "cargo-llvm-cov", LLVM_COV)?;
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::join_paths(std::iter::once(shell.tools().join("bin")).chain(env::split_paths(&path)))?;
        let mut cargo = Guest::page_cargo(shell, "llvm-cov test --locked --workspace --fail-under-lines")?;
        // The daemon that tests start is built by them, so that it counts its lines too.
        cargo.arg(COVERAGE_FLOOR.to_string()).env("EXOCLAWD_PLUGINS", shell.target().join("plugins"));
        shell.run(cargo.env("PATH", folders))
    })
}

/// Feeds every decoder of outside bytes with mutated inputs.
pub(crate) fn fuzz(shell: &mut Shell, args: &[String]) -> Result<()> {
    toolchain::setup(shell)?;
    shell.run(Guest::page_cargo(shell, "run --locked --package exoclaw-fuzz --")?.args(args))
}

/// Measures a release build. None of it is a test.
pub(crate) fn bench(shell: &mut Shell, args: &[String]) -> Result<()> {
    up::plugins(shell)?;
    shell.section("daemon and page", |shell| {
        shell.run(&mut Guest::page_cargo(shell, "build --release --locked --package exoclawd")?)
    })?;
    let serving = |shell: &mut Shell| {
        let mut bench = Guest::page_cargo(shell, "bench --locked --package exoclaw-tests --bench serving --")?;
        shell.run(bench.arg(shell.root().join("specs/evidence")))
    };
    let door = |shell: &mut Shell| {
        let mut bench = Guest::page_cargo(shell, "bench --locked --package exoclaw-tests --bench serving --")?;
        shell.run(bench.arg(shell.root().join("specs/evidence")).arg("gateway"))?;
        shell.run(&mut shell.cargo("bench --locked --package exoclaw-gateway --bench door"))
    };
    let is_wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    if is_wanted("serving") {
        shell.section("serving", serving)?;
    }
    if is_wanted("gateway") {
        shell.section("gateway", door)?;
    }
    if !args.is_empty() {
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
