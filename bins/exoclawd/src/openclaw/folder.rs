//! The folder: which files of it may be read.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Agents of one folder: far above what people have.
const AGENTS: usize = 1_000;

/// Where the later layout, of version 4, keeps what this one has in files.
const DATABASE: &str = "state/openclaw.sqlite";

/// A database of one agent in that layout, below its folder.
const AGENT_DATABASE: &str = "agent/openclaw-agent.sqlite";

/// Files of settings, the later name first.
pub(super) const SETTINGS: [&str; 2] = ["openclaw.json", "clawdbot.json"];

/// A folder that nothing is read outside of.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Without symbolic links.
    root: PathBuf,
}

/// A folder is not of this layout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("read the folder {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is no OpenClaw: it has neither agents/ nor openclaw.json nor clawdbot.json", path = path.display())]
    NotOne { path: PathBuf },
    #[error("{path} keeps its conversations in SQLite ({database}), the layout of OpenClaw since version 4 of its protocol: only the older one, with sessions.json and JSON Lines, can be read", path = path.display())]
    Database { path: PathBuf, database: String },
}

/// A file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("it is not there")]
    Absent,
    #[error("it leads out of the folder")]
    Outside,
    #[error("it is no file")]
    NotAFile,
    #[error("it has {bytes} bytes, more than {max}")]
    TooLarge { bytes: u64, max: u64 },
    #[error("it can't be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Absent } else { Self::Io(error) }
    }
}

impl Folder {
    /// Looks what the folder is.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Read { path: path.to_owned(), source };
        let root = path.canonicalize().map_err(failed)?;
        // An error if it is no folder.
        fs::read_dir(&root).map_err(failed)?;
        let folder = Self { root };
        let agents = folder.agents().map_err(failed)?;
        let of_agents = agents.iter().map(|agent| format!("agents/{agent}/{AGENT_DATABASE}"));
        let mut databases = [DATABASE.to_owned()].into_iter().chain(of_agents);
        if let Some(database) = databases.find(|database| folder.root.join(database).exists()) {
            return Err(FolderError::Database { path: path.to_owned(), database });
        }
        let is_one = SETTINGS.iter().chain(&["agents"]).any(|name| folder.root.join(name).exists());
        if is_one { Ok(folder) } else { Err(FolderError::NotOne { path: path.to_owned() }) }
    }

    /// Names of folders that agents have, in order.
    pub(crate) fn agents(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join("agents")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries.take(AGENTS) {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    /// Names of what lies in a folder below this one; nothing where that can't be read or leads elsewhere.
    pub(crate) fn names(&self, below: &str, most: usize) -> Vec<String> {
        let inside = self.root.join(below).canonicalize().ok().filter(|path| path.starts_with(&self.root));
        let entries = inside.and_then(|path| fs::read_dir(path).ok()).into_iter().flatten().take(most);
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }

    /// Opens a file below this folder, up to a size, if all links on the way to it stay inside.
    pub(crate) fn file(&self, below: &str, max: u64) -> Result<File, FileError> {
        let path = self.root.join(below).canonicalize()?;
        if !path.starts_with(&self.root) {
            return Err(FileError::Outside);
        }
        // Before it is opened: to open a pipe is to wait for its writer.
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        if metadata.len() > max {
            return Err(FileError::TooLarge { bytes: metadata.len(), max });
        }
        Ok(File::open(path)?)
    }

    /// A whole file below this folder, up to a size.
    pub(crate) fn read(&self, below: &str, max: u64) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        self.file(below, max)?.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
