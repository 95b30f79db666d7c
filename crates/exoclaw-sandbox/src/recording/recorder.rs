//! Keeps what a guest is told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Blob, FileTold, HttpAnswer, HttpTold, KvAnswer, KvTold, Recording};
use crate::limits::RECORDING_BYTES;

/// What each thing that is told costs beside its bytes.
const EACH: usize = 24;

/// Keeps what the host tells the guest of one call, up to [`RECORDING_BYTES`]: what comes after that is left out.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    recording: Recording,
    bytes: usize,
    /// Where the guest's descriptors lead: the granted directory, and the path in it.
    descriptors: HashMap<u32, (String, String)>,
    /// Paths of which all is known that was there before.
    known: HashSet<(String, String)>,
    /// Paths of which no more is known than that something was there.
    glimpsed: HashSet<(String, String)>,
}

impl Recorder {
    /// What was told so far; the recorder is as new.
    pub fn take(&self) -> Recording {
        std::mem::take(&mut *self.lock()).recording
    }

    /// Adds something of this size, if there is room for it.
    fn add(&self, bytes: usize, add: impl FnOnce(&mut Recording)) -> bool {
        let inner = &mut *self.lock();
        let sum = inner.bytes.saturating_add(bytes).saturating_add(EACH);
        if sum > RECORDING_BYTES || inner.recording.cut {
            inner.recording.cut = true;
            return false;
        }
        inner.bytes = sum;
        add(&mut inner.recording);
        true
    }

    pub(super) fn wall(&self, time: (u64, u32)) {
        self.add(0, |recording| recording.wall.push_back(time));
    }

    pub(super) fn monotonic(&self, time: u64) {
        self.add(0, |recording| recording.monotonic.push_back(time));
    }

    pub(super) fn random(&self, bytes: &[u8]) {
        self.add(bytes.len(), |recording| recording.random.push_back(Blob(bytes.to_vec())));
    }

    pub(crate) fn kv(&self, key: &str, answer: KvAnswer) {
        let size = match &answer {
            KvAnswer::Value(value) => value.as_ref().map_or(0, |Blob(value)| value.len()),
            KvAnswer::Keys(keys) => keys.iter().map(|key| key.len() + EACH).sum(),
        };
        self.add(key.len() + size, |recording| recording.kv.push(KvTold { key: key.to_owned(), answer }));
    }

    /// Says at which place the exchange is, if it is kept.
    pub(super) fn http(&self, request: String, answer: HttpAnswer) -> Option<usize> {
        let size = match &answer {
            HttpAnswer::Response { headers, .. } => {
                headers.iter().map(|(name, value)| name.len() + value.0.len()).sum()
            }
            HttpAnswer::Failed(reason) => reason.len(),
        };
        let mut place = None;
        self.add(request.len() + size, |recording| {
            place = Some(recording.http.len());
            recording.http.push(HttpTold { request, answer });
        });
        place
    }

    /// More of the body of the response at this place; none is its end.
    pub(super) fn body(&self, place: usize, more: Option<&[u8]>) {
        self.add(more.map_or(0, <[u8]>::len), |recording| {
            if let Some(HttpTold { answer: HttpAnswer::Response { body, whole, .. }, .. }) =
                recording.http.get_mut(place)
            {
                match more {
                    Some(more) => body.0.extend_from_slice(more),
                    None => *whole = true,
                }
            }
        });
    }

    /// A descriptor leads here from now on.
    pub(super) fn leads(&self, descriptor: u32, dir: String, path: String) {
        // The guest has no more descriptors at a time than its resource table holds.
        self.lock().descriptors.insert(descriptor, (dir, path));
    }

    /// What a guest learned of a path without opening it; when it opens it, that tells more.
    pub(super) fn seen(&self, told: FileTold) {
        let place = (told.dir.clone(), told.path.clone());
        if self.is_new(&place) && !self.lock().glimpsed.contains(&place) {
            let size = told.dir.len() + 2 * told.path.len();
            if self.add(size, |recording| recording.files.push(told)) {
                self.lock().glimpsed.insert(place);
            }
        }
    }

    /// Where a path below a descriptor is; none where it would lie outside of the directory.
    pub(super) fn place(&self, descriptor: u32, path: &str) -> Option<(String, String)> {
        let inner = self.lock();
        let (dir, base) = inner.descriptors.get(&descriptor)?;
        let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Some((dir.clone(), parts.join("/")))
    }

    /// Whether nothing is known of it yet, and there is room.
    pub(super) fn is_new(&self, place: &(String, String)) -> bool {
        let inner = self.lock();
        !inner.recording.cut && !inner.known.contains(place)
    }

    /// What was at a path before the call did anything to it: the first to be told counts.
    pub(super) fn file(&self, told: FileTold) {
        let content = match &told.what {
            super::FileKind::File { content: Some(content), .. } => content.0.len(),
            _ => 0,
        };
        let place = (told.dir.clone(), told.path.clone());
        if self.is_new(&place)
            && self.add(told.dir.len() + 2 * told.path.len() + content, |recording| recording.files.push(told))
        {
            self.lock().known.insert(place);
        }
    }

    /// Bytes that still have room.
    pub(super) fn room(&self) -> usize {
        RECORDING_BYTES.saturating_sub(self.lock().bytes)
    }

    /// Something is too large to be kept.
    pub(super) fn cut(&self) {
        self.lock().recording.cut = true;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
