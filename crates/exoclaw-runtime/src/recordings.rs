//! What hosts told plugins, kept beside the journal for replays.

use std::{
    collections::HashMap,
    fs, io,
    io::{BufRead, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use exoclaw_protocol::{CallId, RunId};
use exoclaw_sandbox::Recording;
use serde::{Deserialize, Serialize};

use crate::journal::Chain;

/// Recordings of calls: a file of JSON Lines for each run, in a directory of their own that only its owner can read.
///
/// They are no part of what is durable: a recording that can't be written is missed by a replay and by nothing else. When all
/// together are larger than the bound, the oldest runs' are removed.
#[derive(Debug, Clone)]
pub struct Recordings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    max_bytes: u64,
    /// One writes at a time.
    writing: Mutex<()>,
}

/// The recordings of one run, by step and call.
pub type RecordedCalls = HashMap<(u32, CallId), Recording>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    step: u32,
    call_id: CallId,
    recording: Recording,
}

impl Recordings {
    /// Keeps recordings in this directory, `max_bytes` of them at most.
    pub fn new(dir: PathBuf, max_bytes: u64) -> Self {
        Self(Arc::new(Inner { dir, max_bytes, writing: Mutex::new(()) }))
    }

    /// What is kept of a run. Blocks.
    ///
    /// # Errors
    /// When the file can't be read, or is no recording.
    pub fn of(&self, run: &RunId) -> io::Result<RecordedCalls> {
        let file = match fs::File::open(self.0.file(run)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(error) => return Err(error),
        };
        let mut calls = HashMap::new();
        let mut lines = io::BufReader::new(file).lines().peekable();
        while let Some(line) = lines.next() {
            match serde_json::from_str(&line?) {
                // A call that was cut off and made again: what it was told last is what came of it.
                Ok(Line { step, call_id, recording }) => drop(calls.insert((step, call_id), recording)),
                // Whoever is killed may leave half a line.
                Err(_) if lines.peek().is_none() => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(calls)
    }

    /// Removes the recordings of these runs. Where they can't be, the log says so.
    pub(crate) async fn forget(&self, runs: Vec<RunId>) {
        let inner = Arc::clone(&self.0);
        let forgotten = tokio::task::spawn_blocking(move || inner.forget(&runs)).await;
        match forgotten {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "recordings of a deleted session stay"),
            Err(error) => tracing::warn!(error = %Chain(&error), "recordings of a deleted session stay"),
        }
    }

    /// Keeps the recording of a call. Where it can't be, the log says so.
    pub(crate) async fn keep(&self, run: &RunId, step: u32, call_id: CallId, recording: Recording) {
        let (inner, to) = (Arc::clone(&self.0), run.clone());
        let kept = tokio::task::spawn_blocking(move || inner.keep(&to, &Line { step, call_id, recording })).await;
        if let Err(error) = kept.map_err(io::Error::from).flatten() {
            tracing::warn!(%run, error = %Chain(&error), "a tool call is not recorded");
        }
    }
}

impl Inner {
    fn file(&self, run: &RunId) -> PathBuf {
        self.dir.join(format!("{run}.jsonl"))
    }

    fn forget(&self, runs: &[RunId]) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for run in runs {
            match fs::remove_file(self.file(run)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn keep(&self, run: &RunId, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dir = fs::DirBuilder::new();
        dir.recursive(true);
        let mut file = fs::OpenOptions::new();
        file.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
            dir.mode(0o700);
            file.mode(0o600);
        }
        dir.create(&self.dir)?;
        file.open(self.file(run))?.write_all(&text)?;
        self.make_room()
    }

    /// Removes the oldest files until the others fit.
    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((about.modified()?, about.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= self.max_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}
