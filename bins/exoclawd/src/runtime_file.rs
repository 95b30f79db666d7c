//! The file in which a running daemon says where it listens, so that other commands find it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// What a running daemon says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuntimeFile {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where programs of the same user need no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) socket: Option<PathBuf>,
    /// It speaks TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Its process.
    pub(crate) pid: u32,
    /// It answers with the demo model.
    pub(crate) demo: bool,
}

impl RuntimeFile {
    /// Reads it; one that is not there or not whole says nothing.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let partial = path.with_extension(format!("{}.partial", self.pid));
        std::fs::write(&partial, serde_json::to_vec(self).map_err(io::Error::other)?)?;
        std::fs::rename(&partial, path)
    }

    /// Removes it, unless another daemon has written its own.
    pub(crate) fn remove(&self, path: &Path) {
        if Self::read(path).as_ref() == Some(self) {
            // Nothing depends on it: a file that stays names a daemon that does not answer.
            std::fs::remove_file(path).ok();
        }
    }
}
