//! Tests of the page in a real browser.

use std::fs;

use crate::{
    shell::{Result, Shell},
    toolchain,
};

/// Runs `ui/tests` in Chromium.
pub(crate) fn test(shell: &mut Shell) -> Result<()> {
    if !shell.succeeds(shell.command("chromedriver").arg("--version")) {
        toolchain::install_packages(shell, &["chromium", "chromium-driver"])?;
    }
    let lock = fs::read_to_string(shell.root().join("Cargo.lock"))?;
    let version = locked_version(&lock, "wasm-bindgen").ok_or("Cargo.lock has no wasm-bindgen")?;
    // The runner must be of the very version that the page is compiled with. Its own lock file is not published with it.
    let runner = toolchain::tool(shell, "wasm-bindgen-cli", "wasm-bindgen-test-runner", version, false)?;
    let target = shell.target().join("ui");
    let mut cargo =
        shell.cargo("test --locked --package exoclaw-ui --target wasm32-unknown-unknown --test web --target-dir");
    cargo.arg(target).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner).env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    shell.run(&mut cargo)
}

/// The version of a package in a lock file.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let entry = lock.split("[[package]]\n").find(|entry| entry.starts_with(&format!("name = \"{package}\"\n")))?;
    entry.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_in_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"ab\"\nversion = \"2.0.0\"\n";
        assert_eq!(super::locked_version(lock, "ab"), Some("2.0.0"));
        assert_eq!(super::locked_version(lock, "b"), None);
    }
}
