//! Where everything lies: one directory that only its owner can read.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::Env;

/// The directory of one exoclaw.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
    /// Home directory of the user, for `~/`.
    user: Option<PathBuf>,
    cache: PathBuf,
}

impl Home {
    /// The directory that the flag names, else `EXOCLAW_HOME`, else `~/.exoclaw`; `None` when the user has no home.
    pub fn find(flag: Option<&Path>, env: &Env) -> Option<Self> {
        let user = env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(std::env::home_dir);
        let named = flag.map(Path::to_owned).or_else(|| env.get("EXOCLAW_HOME").map(PathBuf::from));
        let root = named.or_else(|| user.as_ref().map(|user| user.join(".exoclaw")))?;
        let cache = env.get("EXOCLAW_CACHE").map_or_else(|| root.join("cache"), PathBuf::from);
        Some(Self { root, user, cache })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The config, where nothing else is named.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// Sessions and messages.
    pub fn store(&self) -> PathBuf {
        self.root.join("store.db")
    }

    /// Keys and the gateway's token.
    pub fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }

    /// The audit trail; its head lies beside the credentials.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// Compiled plugins.
    pub fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// Address and process of the running daemon.
    pub fn runtime_file(&self) -> PathBuf {
        self.root.join("gateway.json")
    }

    /// Where programs of the same user reach the daemon without a credential.
    pub fn own_socket(&self) -> PathBuf {
        self.root.join("gateway.sock")
    }

    /// Certificates that were made here.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// Directories that plugins are lent while a run is replayed.
    pub fn replay(&self) -> PathBuf {
        self.root.join("replay")
    }

    /// What plugins were told, where their calls are recorded.
    pub fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// Everything that the demo writes, apart from what is real.
    pub fn demo(&self) -> PathBuf {
        self.root.join("demo")
    }

    /// Creates the directory, for its owner alone.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn create(&self) -> io::Result<()> {
        create_private(&self.root)
    }

    /// A path of the config: `~/` is the user's home, anything else not absolute lies beside the config.
    pub fn expand(&self, path: &str, beside: &Path) -> PathBuf {
        match (path.strip_prefix("~/"), &self.user) {
            (Some(rest), Some(user)) => user.join(rest),
            _ if path == "~" => self.user.clone().unwrap_or_else(|| PathBuf::from(path)),
            _ => beside.join(path),
        }
    }
}

/// Creates a directory that only its owner can use; one that is there stays as it is.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
