//! The files of a trail: each named for the number of its first record, the newest one written.

use std::{fs::File, io::Write};

use serde::{Deserialize, Serialize};

use super::{
    AuditConfig, Decision, Entry, Record, TrailError, What,
    line::{self, Hash, Line, NOTHING},
};
use crate::{
    CredentialError,
    private::{PrivateDirectory, refused},
};

const LOCK: &str = "audit.lock";
const HEAD: &str = "audit-head.json";

/// Largest head that is read.
const HEAD_BYTES: usize = 4 * 1024;

/// Largest file that is read; none that we write comes near it.
pub(super) const FILE_BYTES: usize = 256 * 1024 * 1024;

/// Where the trail begins and ends, kept apart from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Head {
    /// Number and hash of the newest record.
    pub(super) seq: u64,
    #[serde(with = "hex::serde")]
    pub(super) hash: Hash,
    /// Number of the oldest record that is kept, and the hash of the one before it.
    pub(super) first: u64,
    #[serde(with = "hex::serde")]
    pub(super) before_first: Hash,
}

impl Head {
    const NONE: Self = Self { seq: 0, hash: NOTHING, first: 1, before_first: NOTHING };

    fn at(self, seq: u64, hash: Hash) -> Self {
        Self { seq, hash, ..self }
    }

    /// The head that was kept; `None` where there is none, or it can't be understood.
    pub(super) fn read(directory: &PrivateDirectory) -> Result<Option<Self>, CredentialError> {
        let text = directory.read(HEAD, HEAD_BYTES)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn write(&self, directory: &PrivateDirectory) -> Result<(), CredentialError> {
        // A struct of texts and numbers is always JSON.
        directory.write(HEAD, &serde_json::to_string(self).unwrap_or_default())
    }
}

/// The name of the file whose first record has that number.
pub(super) fn name_of(seq: u64) -> String {
    format!("{seq:020}.jsonl")
}

/// Numbers of the first records of all files, in order.
pub(super) fn files(directory: &PrivateDirectory) -> Result<Vec<u64>, CredentialError> {
    let seq = |name: String| name.strip_suffix(".jsonl")?.parse().ok().filter(|seq| name_of(*seq) == name);
    let mut files: Vec<u64> = directory.names()?.into_iter().filter_map(seq).collect();
    files.sort_unstable();
    Ok(files)
}

/// A trail that is written.
#[derive(Debug)]
pub(super) struct Trail {
    config: AuditConfig,
    records: PrivateDirectory,
    heads: PrivateDirectory,
    head: Head,
    /// The newest file, and how much of it is durable.
    file: File,
    bytes: u64,
    files: Vec<u64>,
    _lock: File,
}

/// How far the newest file can be believed.
struct Tail {
    /// Number and hash of its last record that is right.
    seq: u64,
    hash: Hash,
    /// Where that record ends.
    bytes: u64,
    /// The hash of the record with the number that the head names, if it is in this file.
    of_head: Option<Hash>,
    /// Whole lines follow that are not right.
    broken: bool,
}

impl Trail {
    /// Takes a trail up, or begins one.
    pub(super) fn open(config: AuditConfig, now_ms: u64) -> Result<Self, TrailError> {
        let (records, heads) = (PrivateDirectory::new(&config.records), PrivateDirectory::new(&config.head));
        let Some(lock) = records.lock(LOCK)? else { return Err(TrailError::InUse { path: config.records }) };
        let kept = Head::read(&heads)?;
        let files = whole_files(&records, kept.as_ref())?;
        let (head, wrong, bytes) = match (&kept, files.last()) {
            (None, None) => (Head::NONE, None, None),
            (Some(head), None) => (head.clone(), Some("all records are gone"), None),
            (_, Some(newest)) => {
                let tail = tail(&records, *newest, kept.as_ref())?;
                let wrong = wrong(&tail, kept.as_ref());
                let end = kept.clone().unwrap_or(Head::NONE);
                let end = if wrong.is_none() || kept.is_none() { end.at(tail.seq, tail.hash) } else { end };
                (end, wrong, Some(tail.bytes))
            }
        };
        // Only until the right file is open.
        let file = lock.try_clone().map_err(|error| refused("open", &config.records, error))?;
        let mut trail = Self { config, records, heads, head, file, bytes: 0, files, _lock: lock };
        if let (None, Some(bytes)) = (wrong, bytes) {
            trail.go_on(bytes)?;
            return Ok(trail);
        }
        // What can't be believed stays as it is, and is passed over by a higher number.
        trail.head.seq = trail.head.seq.max(trail.files.last().copied().unwrap_or(0));
        if kept.is_none() {
            trail.first()?;
        }
        trail.begin(now_ms, wrong)?;
        Ok(trail)
    }

    /// Writes on at the end of the newest file, of which so much is right.
    fn go_on(&mut self, bytes: u64) -> Result<(), CredentialError> {
        let name = name_of(self.files.last().copied().unwrap_or_default());
        self.file = self.records.append(&name, false)?;
        // What was being written when the machine stopped.
        self.file.set_len(bytes).map_err(|error| refused("cut", &self.records.file(&name), error))?;
        self.bytes = bytes;
        self.forget();
        Ok(())
    }

    /// Writes records durably, all or none.
    pub(super) fn write(&mut self, batch: &mut [Record], now_ms: u64) -> Result<(), CredentialError> {
        if self.bytes >= self.config.file_bytes {
            self.begin(now_ms, None)?;
        }
        let mut head = self.head.clone();
        let mut text = String::new();
        for record in batch {
            head.seq += 1;
            record.seq = head.seq;
            head.hash = line::write(record, &head.hash, &mut text);
        }
        let path = self.records.file(&name_of(self.files.last().copied().unwrap_or_default()));
        if let Err(error) = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()) {
            // Cut off again, so that the next attempt follows what is durable.
            self.file.set_len(self.bytes).ok();
            return Err(refused("write", &path, error));
        }
        self.bytes += text.len() as u64;
        self.head = head;
        // The records are durable: without the head a cut would only show up to the one before.
        self.head.write(&self.heads)
    }

    /// Begins a file, with a record of what was found wrong.
    fn begin(&mut self, now_ms: u64, wrong: Option<&'static str>) -> Result<(), CredentialError> {
        let mut head = self.head.clone();
        head.seq += 1;
        let mut entry = Entry::new(What::Trail, "begin", Decision::Allowed);
        if let Some(wrong) = wrong {
            entry = Entry::new(What::Trail, "damaged", Decision::Failed).reason(wrong);
            tracing::error!(target: "exoclaw::audit", reason = wrong, "the audit trail was tampered with, or damaged");
        }
        let record = Record { seq: head.seq, prev: Some(head.hash), ..Record::new(entry, now_ms, None) };
        let mut text = String::new();
        head.hash = line::write(&record, &self.head.hash, &mut text);
        let name = name_of(head.seq);
        // What is left of an attempt that failed is begun anew.
        self.records.remove(&name)?;
        let mut file = self.records.append(&name, true)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| refused("write", &self.records.file(&name), error))?;
        self.records.sync()?;
        (self.file, self.bytes, self.head) = (file, text.len() as u64, head);
        self.files.push(self.head.seq);
        // Only what is removed here may be missing at the beginning.
        if self.files.len() > self.config.files.max(2) {
            self.files.remove(0);
            self.first()?;
        }
        self.head.write(&self.heads)?;
        self.forget();
        Ok(())
    }

    /// Makes the head know the oldest record that is kept.
    fn first(&mut self) -> Result<(), CredentialError> {
        let oldest = self.files.first().copied().unwrap_or(self.head.seq);
        if oldest <= self.head.first {
            return Ok(());
        }
        let bytes = self.records.bytes(&name_of(oldest), FILE_BYTES)?.unwrap_or_default();
        let first = bytes.split(|byte| *byte == b'\n').next().and_then(Line::read);
        // One that can't be read stays where the trail begins: checking it names it.
        if let Some(prev) = first.and_then(|line| line.record.prev) {
            (self.head.first, self.head.before_first) = (oldest, prev);
        }
        Ok(())
    }

    /// Removes files from before the beginning.
    fn forget(&mut self) {
        let Ok(found) = files(&self.records) else { return };
        for seq in found.into_iter().filter(|seq| !self.files.contains(seq) || *seq < self.head.first) {
            if let Err(error) = self.records.remove(&name_of(seq)) {
                tracing::warn!(%error, "remove an old file of the audit trail");
            }
        }
        self.files.retain(|seq| *seq >= self.head.first);
    }
}

/// All files but those that were just begun when the machine stopped, and hold no whole record.
fn whole_files(records: &PrivateDirectory, head: Option<&Head>) -> Result<Vec<u64>, CredentialError> {
    let mut files = files(records)?;
    while let Some(newest) = files.last().filter(|newest| head.is_none_or(|head| head.seq < **newest)) {
        let name = name_of(*newest);
        if records.bytes(&name, FILE_BYTES)?.unwrap_or_default().contains(&b'\n') {
            break;
        }
        records.remove(&name)?;
        files.pop();
    }
    Ok(files)
}

/// Reads the newest file.
fn tail(records: &PrivateDirectory, newest: u64, head: Option<&Head>) -> Result<Tail, CredentialError> {
    let bytes = records.bytes(&name_of(newest), FILE_BYTES)?.unwrap_or_default();
    let mut tail = Tail { seq: 0, hash: NOTHING, bytes: 0, of_head: None, broken: false };
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = text.strip_suffix(b"\n") else { break };
        let line = Line::read(text).filter(|line| match (tail.bytes, line.record.prev) {
            // The first one says itself what it follows.
            (0, Some(prev)) => line.record.seq == newest && line.follows(&prev),
            (0, None) => false,
            _ => line.record.seq == tail.seq + 1 && line.follows(&tail.hash),
        });
        let Some(Line { record, hash, .. }) = line else {
            tail.broken = true;
            break;
        };
        if head.is_some_and(|head| head.seq == record.seq) {
            tail.of_head = Some(hash);
        }
        if let (Some(head), Some(prev)) = (head, record.prev)
            && head.seq + 1 == record.seq
        {
            tail.of_head = Some(prev);
        }
        (tail.seq, tail.hash, tail.bytes) = (record.seq, hash, tail.bytes + text.len() as u64 + 1);
    }
    Ok(tail)
}

fn wrong(tail: &Tail, head: Option<&Head>) -> Option<&'static str> {
    match head {
        None => Some("the head is gone"),
        Some(head) if tail.of_head.is_none() && tail.seq < head.seq => Some("the newest records are gone"),
        Some(head) if tail.of_head != Some(head.hash) => Some("the newest records are others"),
        Some(_) => tail.broken.then_some("the newest file was changed"),
    }
}
