//! The audit trail: what is written is found, and whatever is done to it shows.

mod damage;
mod writing;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use exoclaw_store::audit::{Audit, AuditConfig, Decision, Entry, Record, TrailError, Verdict, What, records, verify};
use tempfile::TempDir;

/// A home with a trail.
struct Home {
    dir: TempDir,
    config: AuditConfig,
    now: Arc<AtomicU64>,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = AuditConfig::new(dir.path().join("audit"), dir.path().join("credentials"));
        Self { dir, config, now: Arc::new(AtomicU64::new(1_800_000_000_000)) }
    }

    fn open(&self) -> Result<Audit, TrailError> {
        let now = Arc::clone(&self.now);
        Audit::open(self.config.clone(), Arc::new(move || now.fetch_add(1, Ordering::Relaxed)))
    }

    /// A closed trail with so many records beside that of its beginning.
    fn with(count: usize) -> Self {
        let home = Self::new();
        home.write(count);
        home
    }

    fn write(&self, count: usize) {
        let audit = self.open().unwrap();
        for n in 0..count {
            audit.guard_blocking(entry(n)).unwrap();
        }
        audit.close();
    }

    fn records(&self) -> Vec<Record> {
        records(&self.config.records, 0).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn verdict(&self) -> Verdict {
        verify(&self.config.records, &self.config.head).unwrap()
    }

    /// The files, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.config.records).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
        files.sort();
        files
    }

    fn head(&self) -> PathBuf {
        self.config.head.join("audit-head.json")
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let newest = self.files().pop().unwrap();
        let mut bytes = fs::read(&newest).unwrap();
        change(&mut bytes);
        fs::write(newest, bytes).unwrap();
    }
}

fn entry(n: usize) -> Entry {
    Entry::new(What::Token, "create", Decision::Allowed).who("owner").object(format!("token-{n}"))
}

fn actions(home: &Home) -> Vec<String> {
    home.records().iter().map(|record| format!("{} {}", record.what, record.action)).collect()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}
