//! Builds the browser page and writes it, compressed, for the crate to hold.
//!
//! Where the page comes from, first match:
//! 1. `EXOCLAW_UI_DIST=placeholder`: a page that says how to build the real one. Quick; for checks that need no page.
//! 2. `EXOCLAW_UI_DIST=DIR`: the files of that folder, as another build of `ui/` left them.
//! 3. Feature `build-ui` and a compiler for the browser's target: a nested cargo builds `ui/` (see `page.rs`).
//! 4. The placeholder, with a warning. A target that is not installed never fails the build.

#![expect(clippy::print_stdout, reason = "a build script talks to cargo by its output")]

mod embed;
mod names;
#[cfg(feature = "build-ui")]
mod page;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Chooses a folder to embed, or the word `placeholder`.
const DIST: &str = "EXOCLAW_UI_DIST";

fn main() -> Result<()> {
    let crate_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={DIST}");
    rerun_if_changed(&crate_dir.join("build"));
    rerun_if_changed(&crate_dir.join("placeholder"));

    let dist = match env::var_os(DIST) {
        Some(word) if word == "placeholder" => crate_dir.join("placeholder"),
        Some(dir) => given(Path::new(&dir))?,
        None => built(&crate_dir, &out_dir)?.unwrap_or_else(|why| {
            println!("cargo::warning=the browser chat is not built in: {why}");
            crate_dir.join("placeholder")
        }),
    };
    // A release is compressed once and served often; a debug build is made often.
    let best = variable("PROFILE")? == "release";
    embed::write(&dist, &out_dir, best)
}

/// A folder that the user names.
fn given(dir: &Path) -> Result<PathBuf> {
    let dir = dir.canonicalize().map_err(|error| format!("{DIST}={}: {error}", dir.display()))?;
    if !dir.join("index.html").is_file() {
        return Err(format!("{DIST}={}: there is no index.html in it", dir.display()).into());
    }
    rerun_if_changed(&dir);
    Ok(dir)
}

/// The folder of the page as built here and now; or why it can't be.
#[cfg(feature = "build-ui")]
fn built(crate_dir: &Path, out_dir: &Path) -> Result<std::result::Result<PathBuf, String>> {
    page::build(crate_dir, out_dir)
}

#[cfg(not(feature = "build-ui"))]
fn built(_: &Path, _: &Path) -> Result<std::result::Result<PathBuf, String>> {
    Ok(Err("feature build-ui of exoclaw-ui-assets is off".to_owned()))
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> Result<String> {
    let value = env::var_os(name).ok_or_else(|| format!("{name} is not set: run this through cargo"))?;
    value.into_string().map_err(|value| format!("{name} is not Unicode: {}", value.display()).into())
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
