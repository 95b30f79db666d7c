//! A real browser for the tests of the page.

use std::env;

use crate::{
    shell::{Result, Shell},
    toolchain,
};

/// Names under which the tests look for one.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Installs Chromium where there is none. Where that is not possible, the tests of the page say that they are skipped; in CI
/// it is an error.
pub(crate) fn setup(shell: &mut Shell) -> Result<()> {
    if NAMES.iter().any(|name| shell.succeeds(shell.command(name).arg("--version"))) {
        return Ok(());
    }
    match toolchain::install_packages(shell, &["chromium"]) {
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("no Chromium, so that the page is not tested: {error}");
            Ok(())
        }
        outcome => outcome,
    }
}
