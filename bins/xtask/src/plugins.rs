//! The example plugins: built for the guest target, packed with their manifests.

use std::{fs, path::PathBuf};

use crate::{
    shell::{Result, Shell},
    toolchain::{Guest, PLUGIN},
};

const SOURCES: &str = "plugins-examples";

/// Builds all into `plugins` in the target folder.
pub(crate) fn build(shell: &mut Shell) -> Result<()> {
    let sources = shell.root().join(SOURCES);
    let built = shell.target().join("plugins-build");
    let mut cargo = Guest::plugin_cargo(shell, &format!("build --release --locked --target {PLUGIN} --manifest-path"))?;
    shell.run(cargo.arg(sources.join("Cargo.toml")).arg("--target-dir").arg(&built))?;

    let out = shell.target().join("plugins");
    fs::create_dir_all(&out)?;
    for folder in folders(&sources)? {
        let name = folder.file_name().unwrap_or_default();
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
        let package = package_name(&manifest).ok_or_else(|| format!("{}: no package name", folder.display()))?;
        let component = built.join(PLUGIN).join("release").join(package.replace('-', "_")).with_extension("wasm");
        let mut pack = shell.cargo("run --quiet --package exoclaw-plugin-format --example pack --");
        let packed = out.join(name).with_extension("wasm");
        // Tests build them too, while others read them: a file is there whole or not at all.
        let new = packed.with_extension(format!("{}.new", std::process::id()));
        shell.run(pack.arg(folder.join("plugin.toml")).arg(component).arg(&new))?;
        fs::rename(&new, &packed)?;
    }
    Ok(())
}

/// The folders with a plugin in Rust, in order. Those in other languages are for [`languages`](crate::ci::languages).
fn folders(sources: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(sources).map_err(|error| format!("read {}: {error}", sources.display()))?;
    let mut folders: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.retain(|folder| folder.join("plugin.toml").is_file() && folder.join("Cargo.toml").is_file());
    folders.sort();
    Ok(folders)
}

/// The first `name = "…"` of a manifest, which is the package's.
fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("name"))?;
    line.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_packages() {
        let manifest = "[package]\nname = \"echo-tool\"\nversion = \"1.0.0\"\n[lib]\nname = \"other\"\n";
        assert_eq!(super::package_name(manifest), Some("echo-tool"));
        assert_eq!(super::package_name("[workspace]\nmembers = []\n"), None);
    }
}
