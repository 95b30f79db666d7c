//! The daemon's own socket: a file that only the user who runs the daemon can use, instead of a credential.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use exoclaw_store::audit::{Audit, Decision, Entry, What};
use tokio::net::{UnixListener, UnixStream};

/// Listens until dropped, then takes its file away.
#[derive(Debug)]
pub(crate) struct OwnSocket {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
}

impl OwnSocket {
    /// Takes the place of a socket that an earlier daemon left: whoever owns the home has seen to it that there is one
    /// daemon only.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        // Until then others may reach it, but the look at their user id below sends them away.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let user = rustix::process::geteuid().as_raw();
        Ok(Self { listener, path: path.to_owned(), user })
    }

    /// The next connection of the user who runs the daemon. Others are closed without a word. Dropping the future loses
    /// nothing.
    pub(crate) async fn accept(&self, audit: &Audit) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?.uid();
            if is_welcome(peer, self.user) {
                return Ok(stream);
            }
            let entry = Entry::new(What::Authentication, "own socket", Decision::Refused).reason("another user");
            audit.note(entry.from(format_args!("user {peer}")));
        }
    }
}

/// Not even root's: whoever is root can become the user.
fn is_welcome(peer: u32, user: u32) -> bool {
    peer == user
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        // The next daemon replaces one that stays.
        std::fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_who_runs_the_daemon_is_welcome() {
        assert!(is_welcome(1000, 1000));
        for other in [0, 1001, u32::MAX] {
            assert!(!is_welcome(other, 1000), "{other}");
        }
    }
}
