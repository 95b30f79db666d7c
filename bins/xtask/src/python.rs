//! Packages of Python's, in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    shell::{Result, Shell},
    toolchain,
};

/// What Python needs for such a folder.
const SYSTEM: [&str; 2] = ["python3", "python3-venv"];

/// The Python that has exactly these packages, each `NAME==VERSION`, under a folder.
///
/// What the packages install as programs names this folder by its absolute path, and a build folder may outlive the
/// checkout it was made from: run them by this Python, not by themselves.
pub(crate) fn with(shell: &Shell, folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let installed = folder.join("installed");
    let wanted = packages.join("\n");
    let has = fs::read_to_string(&installed).is_ok_and(|found| found == wanted);
    if has && shell.succeeds(shell.command(&python).arg("--version")) {
        return Ok(python);
    }
    let venv = || {
        let mut venv = shell.command("python3");
        venv.args(["-m", "venv", "--clear"]).arg(folder);
        venv
    };
    if shell.run(&mut venv()).is_err() {
        toolchain::install_packages(shell, &SYSTEM)?;
        shell.run(&mut venv())?;
    }
    shell.run(shell.command(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    fs::write(installed, wanted)?;
    Ok(python)
}
