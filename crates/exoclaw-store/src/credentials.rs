//! Credentials: one file each, that only its owner can read, in a directory that only its owner can enter.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use exoclaw_protocol::Secret;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, openat, renameat, unlinkat},
    io::Errno,
    process::geteuid,
};

/// Longest credential in bytes: keys and tokens are far shorter, a file of anything else is a mistake.
const CREDENTIAL_BYTES: usize = 8 * 1024;

/// Longest name of a provider in bytes.
const NAME_BYTES: usize = 64;

/// A credential could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The provider's name can't name a file.
    #[error("provider name {name:?}: want 1 to 64 of a-z, 0-9 and '-', starting with a letter or digit")]
    Name {
        /// The start of the name.
        name: String,
    },
    /// Others can read or change it.
    #[error("{path} is open to others (mode {mode:o}): run `chmod {wanted:o} {path}`")]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        wanted: u32,
    },
    /// It is somebody else's.
    #[error(
        "{path} belongs to user {owner}, not to user {user} who runs this: run `chown {user} {path}` if it is yours"
    )]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// It is a symbolic link or a device.
    #[error("{path} is no plain {kind}, or a symbolic link: replace it by one")]
    Kind {
        /// What lies there.
        path: PathBuf,
        /// `file` or `directory`.
        kind: &'static str,
    },
    /// What it holds, or what was to be kept, is no credential.
    #[error("the credential {path} {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing of the credential itself.
        problem: &'static str,
    },
    /// The file system refused.
    #[error("{action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Names a credential; valid by construction, so that no name leads out of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialName {
    file: String,
}

impl CredentialName {
    /// The key of a provider.
    ///
    /// # Errors
    /// Unless the name is 1 to 64 of a-z, 0-9 and `-`, starting with a letter or digit.
    pub fn provider(name: &str) -> Result<Self, CredentialError> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = name.len() <= NAME_BYTES
            && name.bytes().next().is_some_and(first)
            && name.bytes().all(|byte| first(byte) || byte == b'-');
        if valid {
            Ok(Self { file: format!("{name}.key") })
        } else {
            Err(CredentialError::Name { name: name.chars().take(NAME_BYTES).collect() })
        }
    }

    /// The token of the gateway.
    pub fn gateway_token() -> Self {
        Self { file: "gateway.token".to_owned() }
    }
}

/// The credentials of one home. All calls block briefly on the disk.
///
/// The directory must be of mode 0700 and the files of mode 0600, both owned by the user who runs this, and neither may be
/// a symbolic link: whatever is wider is refused rather than mended, for it may have been read already.
#[derive(Debug, Clone)]
pub struct Credentials {
    directory: PathBuf,
}

impl Credentials {
    /// The credentials in a directory, which is made by the first [`write`](Self::write).
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where a credential is kept.
    pub fn path(&self, name: &CredentialName) -> PathBuf {
        self.directory.join(&name.file)
    }

    /// Reads a credential, `None` where there is none. Space around it is not part of it.
    ///
    /// # Errors
    /// When directory or file is open to others, foreign or no plain one, or the file holds no credential.
    pub fn read(&self, name: &CredentialName) -> Result<Option<Secret>, CredentialError> {
        let Some(directory) = self.open()? else { return Ok(None) };
        let path = self.path(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&directory, &name.file, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(CredentialError::Kind { path, kind: "file" }),
            Err(error) => return Err(refused("open", &path, error)),
        };
        check(&file, &path, "file", 0o600)?;

        // Room for all of it from the start: growing would leave copies behind.
        let mut text = String::with_capacity(CREDENTIAL_BYTES + 1);
        let read = file.take(CREDENTIAL_BYTES as u64 + 1).read_to_string(&mut text);
        let whole = Secret::new(text);
        read.map_err(|error| refused("read", &path, error))?;
        let secret = Secret::new(whole.expose().trim());
        check_content(&secret, &path)?;
        Ok(Some(secret))
    }

    /// Keeps a credential in place of any former one: after a crash there is the one or the other, whole.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the disk refuses.
    pub fn write(&self, name: &CredentialName, secret: &Secret) -> Result<(), CredentialError> {
        let path = self.path(name);
        check_content(secret, &path)?;
        let directory = match self.open()? {
            Some(directory) => directory,
            None => self.create()?,
        };
        let scratch = format!(".{}.new", name.file);
        let failed = |error: Errno| refused("write", &path, error);
        // What a crash left there; made anew, so that it is ours and nobody has it open.
        match unlinkat(&directory, &scratch, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = openat(&directory, &scratch, flags, Mode::RUSR | Mode::WUSR).map(File::from).map_err(failed)?;
        let written = file.write_all(secret.expose().as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| refused("write", &path, error))?;
        renameat(&directory, &scratch, &directory, &name.file).map_err(failed)?;
        directory.sync_all().map_err(|error| refused("sync", &self.directory, error))
    }

    /// Forgets a credential; says whether there was one.
    ///
    /// # Errors
    /// When the directory is open to others or foreign, or the disk refuses.
    pub fn remove(&self, name: &CredentialName) -> Result<bool, CredentialError> {
        let Some(directory) = self.open()? else { return Ok(false) };
        match unlinkat(&directory, &name.file, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(refused("remove", &self.path(name), error)),
        }
        directory.sync_all().map_err(|error| refused("sync", &self.directory, error))?;
        Ok(true)
    }

    fn open(&self) -> Result<Option<File>, CredentialError> {
        let path = &self.directory;
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
        let path = &self.directory;
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

fn refused(action: &'static str, path: &Path, source: impl Into<io::Error>) -> CredentialError {
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

fn check_content(secret: &Secret, path: &Path) -> Result<(), CredentialError> {
    let text = secret.expose();
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > CREDENTIAL_BYTES {
        "is longer than 8 KiB"
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        // They travel in HTTP headers (RFC 9110, section 5.5).
        "holds spaces, control characters or letters beyond ASCII"
    } else {
        return Ok(());
    };
    Err(CredentialError::Content { path: path.to_owned(), problem })
}
