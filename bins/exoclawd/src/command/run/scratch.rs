//! Copies of directories that plugins may write to, gone with the command.

use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Home,
    error::{CliError, Exit},
    home::create_private,
};

/// Largest directory that is copied, in bytes.
const BYTES: u64 = 64 * 1024 * 1024;

/// Most files and directories that are copied.
const FILES: u32 = 10_000;

/// A directory of its own in the home directory, removed when dropped.
pub(super) struct Scratch {
    path: PathBuf,
    copies: Cell<u32>,
}

/// What may still be copied.
struct Room {
    bytes: u64,
    files: u32,
}

impl Scratch {
    pub(super) fn new(home: &Home) -> Result<Self, CliError> {
        let path = home.replay().join(std::process::id().to_string());
        create_private(&path)
            .map_err(|error| CliError::new(Exit::Io, format!("create {}", path.display())).because(error))?;
        Ok(Self { path, copies: Cell::new(0) })
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    /// A copy of the files and directories in it, links left out; none where it is too large.
    pub(super) fn copy(&self, from: &Path) -> Result<Option<PathBuf>, CliError> {
        self.copies.set(self.copies.get() + 1);
        let to = self.path.join(self.copies.get().to_string());
        let copied = copy(from, &to, &mut Room { bytes: BYTES, files: FILES });
        let copied =
            copied.map_err(|error| CliError::new(Exit::Io, format!("copy {}", from.display())).because(error))?;
        Ok(copied.then_some(to))
    }
}

/// Says whether there was room for all of it.
fn copy(from: &Path, to: &Path, room: &mut Room) -> io::Result<bool> {
    create_private(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        let bytes = if kind.is_file() { entry.metadata()?.len() } else { 0 };
        if room.files == 0 || bytes > room.bytes {
            return Ok(false);
        }
        (room.files, room.bytes) = (room.files - 1, room.bytes - bytes);
        if kind.is_dir() && !copy(&entry.path(), &target, room)? {
            return Ok(false);
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(true)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Copies that stay take room, and nothing else; the parent goes with the last of them.
        drop(fs::remove_dir_all(&self.path));
        drop(self.path.parent().map(fs::remove_dir));
    }
}
