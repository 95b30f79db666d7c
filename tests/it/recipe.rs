//! What the tests share that only a recipe runs: their programs are others', and large.

use std::{
    env,
    ffi::OsString,
    process::{Command, Stdio},
};

/// What the recipe hands over where these tests are wanted; elsewhere they say that they are left out.
#[expect(clippy::print_stdout, reason = "a test that is left out says so")]
pub(crate) fn wanted(variable: &str, recipe: &str) -> Option<OsString> {
    let wanted = env::var_os(variable);
    if wanted.is_none() {
        println!("left out: `cargo xtask {recipe}` runs it");
    }
    wanted
}

/// Runs a command to its end, which must be a good one, and gives what it printed.
#[track_caller]
pub(crate) fn ok(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{talk}");
    out.into_owned()
}
