//! Builds `ui/` for the browser with a nested cargo and lays the page's files in one folder.
//!
//! The nested cargo is the parent's own, with the workspace's lock file and cargo home. It has its own target folder, `ui`
//! beside the parent's profiles: sharing one would wait for the parent's lock forever. What the parent's build sets for
//! its own crates (flags of coverage or clippy) is kept from it.
//!
//! `EXOCLAW_UI_CARGO=PATH` names another cargo, with its `rustc` beside it, for machines where no ready-made standard
//! library for the browser can be had: it is then built from that compiler's sources, with the parent's linker.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{Result, names, rerun_if_changed, variable};

const TARGET: &str = "wasm32-unknown-unknown";
const OTHER_CARGO: &str = "EXOCLAW_UI_CARGO";

/// What the page is made of, from the workspace's root.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    "crates/exoclaw-client/Cargo.toml",
    "crates/exoclaw-client/src",
    "crates/exoclaw-protocol/Cargo.toml",
    "crates/exoclaw-protocol/src",
    "ui/Cargo.toml",
    "ui/page",
    "ui/src",
];

/// Of the parent's `CARGO_*` variables, what the nested cargo may see: where to find things, not how to build.
const PASSED_ON: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_TERM_",
];

/// What else changes how crates are compiled.
const KEPT_BACK: &[&str] = &[
    "CLIPPY_ARGS",
    "LLVM_PROFILE_FILE",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
];

/// The folder of the built page; or why there is none.
pub(crate) fn build(crate_dir: &Path, out_dir: &Path) -> Result<std::result::Result<PathBuf, String>> {
    println!("cargo::rerun-if-env-changed={OTHER_CARGO}");
    let root = crate_dir.join("../..");
    if !root.join("ui/src").is_dir() {
        return Ok(Err(format!("its sources are not beside {}", crate_dir.display())));
    }
    for source in SOURCES {
        rerun_if_changed(&root.join(source));
    }
    let other_cargo = env::var_os(OTHER_CARGO);
    if other_cargo.is_none() && !has_target()? {
        return Ok(Err(format!("run `rustup target add {TARGET}`, then build again")));
    }

    // OUT_DIR is {target folder}/{profile}/build/{package}/out.
    let target_dir = out_dir.ancestors().nth(4).ok_or("OUT_DIR is not in a target folder")?.join("ui");
    let mut command = nested_cargo(other_cargo.as_deref())?;
    command.current_dir(&root).arg("--target-dir").arg(&target_dir);
    let status = command.status().map_err(|error| format!("start {command:?}: {error}"))?;
    if !status.success() {
        return Err("the browser chat did not compile, see above; EXOCLAW_UI_DIST=placeholder builds without it".into());
    }

    let dist = out_dir.join("dist");
    // Files of an older page must not stay.
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(target_dir.join(TARGET).join("web/exoclaw_ui.wasm"));
    bindgen.out_name("ui").web(true)?.typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true).generate(&dist)?;
    for entry in fs::read_dir(root.join("ui/page"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), dist.join(entry.file_name()))?;
        }
    }
    fs::write(dist.join("style.css"), style(&root.join("ui/page/style"))?)?;
    names::by_content(&dist)?;
    Ok(Ok(dist))
}

/// The style sheet: its parts in the order of their names.
fn style(folder: &Path) -> Result<String> {
    let mut parts: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    parts.sort();
    let texts: Vec<String> = parts.iter().map(fs::read_to_string).collect::<std::io::Result<_>>()?;
    Ok(texts.join("\n"))
}

/// The compiler's folder for the target is there. It names one for targets that are not installed too.
fn has_target() -> Result<bool> {
    let output = Command::new(variable("RUSTC")?).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn nested_cargo(other: Option<&OsStr>) -> Result<Command> {
    let own = variable("CARGO")?;
    let mut command = Command::new(other.unwrap_or(OsStr::new(&own)));
    command.args(["build", "--locked", "--profile", "web", "--package", "exoclaw-ui", "--lib", "--target", TARGET]);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let kept_back = text.starts_with("CARGO") && !PASSED_ON.iter().any(|passed| text.starts_with(passed));
        if kept_back || KEPT_BACK.contains(&text) {
            command.env_remove(&name);
        }
    }
    if let Some(other) = other {
        let sysroot = Command::new(variable("RUSTC")?).args(["--print", "sysroot"]).output()?;
        let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout)?.trim());
        let linker = sysroot.join("lib/rustlib").join(variable("HOST")?).join("bin/rust-lld");
        command
            .env("RUSTC", Path::new(other).with_file_name("rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .env_remove("RUSTUP_TOOLCHAIN");
    }
    Ok(command)
}
