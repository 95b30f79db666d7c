//! The files: who may read them, and who owns them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::OpenError;

/// Holds the database for this process alone until dropped.
#[derive(Debug)]
pub(super) struct Ownership(File);

impl Drop for Ownership {
    /// The lock would go with the file, but a process that is just being started has a copy of that for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the store's lock is not given back before the process ends");
        }
    }
}

/// Makes sure that the directory and the database are there, closed to others, and ours alone.
pub(super) fn claim(path: &Path) -> Result<Ownership, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| OpenError::file("create the directory", directory, error))?;
    let ownership = lock(path)?;
    create_private(path)?;
    // A new file is durable only with the entry that names it.
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| OpenError::file("sync the directory", directory, error))?;
    Ok(ownership)
}

/// The lock lies beside the database: closing any handle of the database itself would drop the locks that SQLite has on it.
fn lock(path: &Path) -> Result<Ownership, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |error| OpenError::file("lock", &lock_path, error);
    let file =
        OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Ownership(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// SQLite gives its log and index the mode of the database.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::file("open", path, error);
    let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let narrowed = fs::set_permissions(path, Permissions::from_mode(0o600));
        narrowed.map_err(|error| OpenError::file("restrict the mode of", path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::claim;

    #[test]
    fn a_copy_of_the_lock_s_file_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let ownership = claim(&path).unwrap();
        let _copy = ownership.0.try_clone().unwrap();
        drop(ownership);
        claim(&path).unwrap();
    }
}
