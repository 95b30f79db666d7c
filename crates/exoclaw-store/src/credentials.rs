//! Credentials: one file each, that only its owner can read, in a directory that only its owner can enter.

use std::{
    io,
    path::{Path, PathBuf},
};

use exoclaw_protocol::Secret;

use crate::private::PrivateDirectory;

/// Longest credential in bytes: keys and tokens are far shorter, a file of anything else is a mistake.
const CREDENTIAL_BYTES: usize = 8 * 1024;

/// Longest name of a provider in bytes.
const NAME_BYTES: usize = 64;

/// A credential could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The name can't name a file.
    #[error("the name {name:?}: want 1 to 64 of a-z, 0-9 and '-', starting with a letter or digit")]
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
        Ok(Self { file: format!("{}.key", Self::check(name)?) })
    }

    /// A secret of plugins.
    ///
    /// # Errors
    /// Unless the name is 1 to 64 of a-z, 0-9 and `-`, starting with a letter or digit.
    pub fn secret(name: &str) -> Result<Self, CredentialError> {
        Ok(Self { file: format!("{}.secret", Self::check(name)?) })
    }

    fn check(name: &str) -> Result<&str, CredentialError> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = name.len() <= NAME_BYTES
            && name.bytes().next().is_some_and(first)
            && name.bytes().all(|byte| first(byte) || byte == b'-');
        if valid { Ok(name) } else { Err(CredentialError::Name { name: name.chars().take(NAME_BYTES).collect() }) }
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
    directory: PrivateDirectory,
}

impl Credentials {
    /// The credentials in a directory, which is made by the first [`write`](Self::write).
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: PrivateDirectory::new(directory.into()) }
    }

    /// Where a credential is kept.
    pub fn path(&self, name: &CredentialName) -> PathBuf {
        self.directory.file(&name.file)
    }

    /// Reads a credential, `None` where there is none. Space around it is not part of it.
    ///
    /// # Errors
    /// When directory or file is open to others, foreign or no plain one, or the file holds no credential.
    pub fn read(&self, name: &CredentialName) -> Result<Option<Secret>, CredentialError> {
        let Some(whole) = self.directory.read(&name.file, CREDENTIAL_BYTES)?.map(Secret::new) else { return Ok(None) };
        let secret = Secret::new(whole.expose().trim());
        check_content(&secret, &self.path(name))?;
        Ok(Some(secret))
    }

    /// Keeps a credential in place of any former one: after a crash there is the one or the other, whole.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the disk refuses.
    pub fn write(&self, name: &CredentialName, secret: &Secret) -> Result<(), CredentialError> {
        check_content(secret, &self.path(name))?;
        self.directory.write(&name.file, secret.expose())
    }

    /// Forgets a credential; says whether there was one.
    ///
    /// # Errors
    /// When the directory is open to others or foreign, or the disk refuses.
    pub fn remove(&self, name: &CredentialName) -> Result<bool, CredentialError> {
        self.directory.remove(&name.file)
    }
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
