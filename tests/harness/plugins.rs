//! The example plugins, built as users get them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The packed component of an example, from the folder that `EXOCLAWD_PLUGINS` names; without, all are built here, once.
///
/// # Panics
/// When they can't be built, or there is no such example.
pub fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("EXOCLAWD_PLUGINS") {
            return folder.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new(env!("CARGO")).args(["xtask", "plugins"]).current_dir(&root).output();
        let built = built.expect("cargo runs");
        assert!(built.status.success(), "no plugins:\n{}", String::from_utf8_lossy(&built.stderr));
        root.canonicalize().expect("the project's folder").join("target/plugins")
    });
    let path = folder.join(name).with_extension("wasm");
    assert!(path.is_file(), "there is no example {name}");
    path
}
