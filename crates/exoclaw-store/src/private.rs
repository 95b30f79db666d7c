//! A directory that only its owner can enter, with files that only its owner can read.
//!
//! Whatever is wider is refused rather than mended, for it may have been read already.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, openat, renameat, unlinkat},
    io::Errno,
    process::geteuid,
};

use crate::CredentialError;

/// All calls block briefly on the disk.
#[derive(Debug, Clone)]
pub(crate) struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where a file of it lies.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The start of a file, one byte more than `limit` where it is longer. No copy of it is left in memory.
    pub(crate) fn read(&self, name: &str, limit: usize) -> Result<Option<String>, CredentialError> {
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        // Room for all of it from the start: growing would leave copies behind.
        let mut text = zeroize::Zeroizing::new(String::with_capacity(limit + 1));
        let read = file.take(limit as u64 + 1).read_to_string(&mut text);
        read.map_err(|error| refused("read", &self.file(name), error))?;
        Ok(Some(std::mem::take(&mut *text)))
    }

    /// The first bytes of a file: nothing in it needs to be text, or secret. `None` where there is none.
    pub(crate) fn bytes(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, CredentialError> {
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(limit as u64).read_to_end(&mut bytes);
        read.map_err(|error| refused("read", &self.file(name), error))?;
        Ok(Some(bytes))
    }

    /// Names of what lies there, as far as they are text.
    pub(crate) fn names(&self) -> Result<Vec<String>, CredentialError> {
        if self.open()?.is_none() {
            return Ok(Vec::new());
        }
        let failed = |error| refused("list", &self.path, error);
        let entries = std::fs::read_dir(&self.path).map_err(failed)?;
        let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
        entries.filter_map(|entry| name(entry).transpose()).collect::<io::Result<_>>().map_err(failed)
    }

    /// Opens a file to write at its end; `fresh` makes it, and there may be none yet.
    pub(crate) fn append(&self, name: &str, fresh: bool) -> Result<File, CredentialError> {
        let fresh = if fresh { OFlags::CREATE | OFlags::EXCL } else { OFlags::empty() };
        self.open_to_write(name, OFlags::WRONLY | OFlags::APPEND | fresh)
    }

    /// Locks a file, which is made where it is not there, until what is given back is dropped; nothing where another process
    /// holds it.
    pub(crate) fn lock(&self, name: &str) -> Result<Option<File>, CredentialError> {
        let file = self.open_to_write(name, OFlags::RDWR | OFlags::CREATE)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(refused("lock", &self.file(name), error)),
        }
    }

    /// Makes names that came and went durable.
    pub(crate) fn sync(&self) -> Result<(), CredentialError> {
        let directory = self.open_or_create()?;
        directory.sync_all().map_err(|error| refused("sync", &self.path, error))
    }

    /// Writes a file in place of any former one: after a crash there is the one or the other, whole.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), CredentialError> {
        let path = self.file(name);
        let directory = self.open_or_create()?;
        let scratch = format!(".{name}.new");
        let failed = |error: Errno| refused("write", &path, error);
        // What a crash left there; made anew, so that it is ours and nobody has it open.
        match unlinkat(&directory, &scratch, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = openat(&directory, &scratch, flags, Mode::RUSR | Mode::WUSR).map(File::from).map_err(failed)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| refused("write", &path, error))?;
        renameat(&directory, &scratch, &directory, name).map_err(failed)?;
        directory.sync_all().map_err(|error| refused("sync", &self.path, error))
    }

    /// Removes a file; says whether there was one.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, CredentialError> {
        let Some(directory) = self.open()? else { return Ok(false) };
        match unlinkat(&directory, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(refused("remove", &self.file(name), error)),
        }
        directory.sync_all().map_err(|error| refused("sync", &self.path, error))?;
        Ok(true)
    }

    fn open_file(&self, name: &str) -> Result<Option<File>, CredentialError> {
        let Some(directory) = self.open()? else { return Ok(None) };
        let path = self.file(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(CredentialError::Kind { path, kind: "file" }),
            Err(error) => return Err(refused("open", &path, error)),
        };
        check(&file, &path, "file", 0o600)?;
        Ok(Some(file))
    }

    fn open_to_write(&self, name: &str, flags: OFlags) -> Result<File, CredentialError> {
        let directory = self.open_or_create()?;
        let path = self.file(name);
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&directory, name, flags, Mode::RUSR | Mode::WUSR).map(File::from);
        let file = file.map_err(|error| refused("open", &path, error))?;
        check(&file, &path, "file", 0o600)?;
        Ok(file)
    }

    fn open_or_create(&self) -> Result<File, CredentialError> {
        match self.open()? {
            Some(directory) => Ok(directory),
            None => self.create(),
        }
    }

    fn open(&self) -> Result<Option<File>, CredentialError> {
        let path = &self.path;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match openat(CWD, path, flags, Mode::empty()) {
            Ok(directory) => File::from(directory),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(CredentialError::Kind { path: path.clone(), kind: "directory" });
            }
            Err(error) => return Err(refused("open", path, error)),
        };
        check(&directory, path, "directory", 0o700)?;
        Ok(Some(directory))
    }

    fn create(&self) -> Result<File, CredentialError> {
        let path = &self.path;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(above).map_err(|error| refused("create", above, error))?;
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(refused("create", path, error)),
        }
        let synced = File::open(above).and_then(|above| above.sync_all());
        synced.map_err(|error| refused("sync", above, error))?;
        self.open()?.ok_or_else(|| refused("open", path, Errno::NOENT))
    }
}

pub(crate) fn refused(action: &'static str, path: &Path, source: impl Into<io::Error>) -> CredentialError {
    CredentialError::File { action, path: path.to_owned(), source: source.into() }
}

/// Looks at what is open, not at the name, which may lead elsewhere a moment later.
fn check(file: &File, path: &Path, kind: &'static str, wanted: u32) -> Result<(), CredentialError> {
    let path = || path.to_owned();
    let stat = fstat(file).map_err(|error| refused("look at", &path(), error))?;
    let file_type = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    if kind == "file" && !file_type.is_file() {
        return Err(CredentialError::Kind { path: path(), kind });
    }
    let user = geteuid().as_raw();
    if stat.st_uid != user {
        return Err(CredentialError::Owner { path: path(), owner: stat.st_uid, user });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CredentialError::Open { path: path(), mode, wanted });
    }
    Ok(())
}
