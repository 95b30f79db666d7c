//! Names that follow from what a file is, so that browsers may keep it forever: another file has another name.

use std::{fs, path::Path};

use sha2::{Digest, Sha256};

use crate::Result;

/// Files that are named so, each after those that it names.
const FILES: [&str; 4] = ["ui_bg.wasm", "ui.js", "style.css", "boot.js"];

/// Files that name others.
const NAMING: [&str; 2] = ["boot.js", "index.html"];

/// Digits of a name's digest.
const DIGITS: usize = 16;

/// What stands in the name of a file with these bytes.
pub(crate) fn mark(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))[..DIGITS].to_owned()
}

/// Renames the files of a folder by their content, and names them so where they are named.
pub(crate) fn by_content(dist: &Path) -> Result<()> {
    for name in FILES {
        let bytes = fs::read(dist.join(name)).map_err(|error| format!("read {name}: {error}"))?;
        let (stem, extension) = name.rsplit_once('.').ok_or("a file without an extension")?;
        let new = format!("{stem}-{}.{extension}", mark(&bytes));
        fs::rename(dist.join(name), dist.join(&new))?;
        for naming in NAMING {
            let path = dist.join(naming);
            // The loader has its new name already when the start page learns of it.
            if path.is_file() {
                let text = fs::read_to_string(&path)?;
                let quoted = |text: String, before: &str, quote: &str| {
                    text.replace(&format!("{before}{name}{quote}"), &format!("{before}{new}{quote}"))
                };
                let text = quoted(quoted(text, "\"", "\""), "./", "'");
                fs::write(path, text)?;
            }
        }
    }
    Ok(())
}
