//! Builds the example plugins for the demo, packs them, and writes the table that embeds them.
//!
//! Where they come from, first match:
//! 1. `EXOCLAW_PLUGINS_DIST=none`: nowhere. Quick; for checks that need no demo.
//! 2. `EXOCLAW_PLUGINS_DIST=DIR`: the packed `.wasm` files of that folder.
//! 3. A compiler for the guests' target: a nested cargo builds `plugins-examples/`.
//! 4. `plugins` in the target folder, where `cargo xtask plugins` leaves them.
//! 5. Nowhere, with a warning. A target that is not installed never fails the build.

#![expect(clippy::print_stdout, reason = "a build script talks to cargo by its output")]

mod guests;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use exoclaw_plugin_format::Manifest;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Chooses a folder to embed, or the word `none`.
const DIST: &str = "EXOCLAW_PLUGINS_DIST";

/// The example that nobody wants in a demo.
const HOSTILE: &str = "hostile";

fn main() -> Result<()> {
    let crate_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={DIST}");
    rerun_if_changed(&crate_dir.join("build"));

    let files = match env::var_os(DIST) {
        Some(word) if word == "none" => Vec::new(),
        Some(dir) => given(Path::new(&dir))?,
        None => guests::build(&crate_dir.join("../.."), &out_dir)?.unwrap_or_else(|why| {
            println!("cargo::warning=the demo has no plugins: {why}");
            Vec::new()
        }),
    };
    let mut table = String::from("&[\n");
    for file in files {
        // Nothing leaves the machine in the demo, and nothing tries to break out of it.
        let manifest = Manifest::of_component(&fs::read(&file)?)?;
        if !manifest.requests.http.is_empty() || manifest.name.as_str() == HOSTILE {
            continue;
        }
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a plugin's file name is not Unicode")?;
        writeln!(table, "({name:?}, include_bytes!({file:?})),")?;
    }
    table.push(']');
    fs::write(out_dir.join("plugins.rs"), table)?;
    Ok(())
}

/// Every `.wasm` file of a folder that the user names.
fn given(dir: &Path) -> Result<Vec<PathBuf>> {
    let dir = dir.canonicalize().map_err(|error| format!("{DIST}={}: {error}", dir.display()))?;
    rerun_if_changed(&dir);
    let paths =
        fs::read_dir(&dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect();
    files.sort();
    Ok(files)
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> Result<String> {
    let value = env::var_os(name).ok_or_else(|| format!("{name} is not set: run this through cargo"))?;
    value.into_string().map_err(|value| format!("{name} is not Unicode: {}", value.display()).into())
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
