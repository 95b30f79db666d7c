//! The client's own tests of `tests/both`, natively and in a real browser, against one daemon.

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use exoclaw_tests::daemon::{Daemon, Setup};

/// Serves tests to a browser and drives it.
const RUNNER: &str = "wasm-bindgen-test-runner";

/// A cargo that runs the tests against this daemon.
fn tests(daemon: &Daemon) -> Command {
    let port = daemon.address().port();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--package", "exoclaw-client", "--test", "both"]);
    cargo.env("EXOCLAW_TEST_URL", format!("ws://127.0.0.1:{port}/ws"));
    cargo.env("EXOCLAW_TEST_OTHER_URL", format!("ws://localhost:{port}/ws"));
    cargo
}

#[track_caller]
fn pass(cargo: &mut Command) {
    let output = cargo.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let passed = out.contains("test result: ok. 6 passed; 0 failed");
    assert!(output.status.success() && passed, "{out}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_client_is_the_same_natively() {
    pass(&mut tests(&Setup::demo().start()));
}

#[test]
fn the_client_is_the_same_in_a_browser() {
    let Some(runner) = tool(RUNNER).zip(tool("chromedriver")) else { return };
    // The page of the tests is another one than the daemon's own: it has to be named.
    let page = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let origins = format!("[gateway]\norigins = [\"http://{page}\"]\n");
    let daemon = Setup::demo().and_config(&origins).start();
    let mut cargo = tests(&daemon);
    cargo.args(["--target", "wasm32-unknown-unknown"]).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner.0);
    pass(cargo.env("CHROMEDRIVER", runner.1).env("WASM_BINDGEN_TEST_ADDRESS", page.to_string()));
}

/// A program of the tools that `cargo xtask` installs, or of the path.
fn tool(name: &str) -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(tools).chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no {name}: `cargo xtask ci browser` installs it");
        // Where nobody can read it there is nobody to tell.
        writeln!(std::io::stderr(), "skipped: there is no {name}").ok();
    }
    found
}
