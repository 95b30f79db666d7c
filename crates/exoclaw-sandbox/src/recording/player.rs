//! Tells again what was told.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Blob, FileTold, HttpAnswer, HttpTold, KvAnswer, KvTold, Recording};

/// Most questions without an answer that are named.
const MISSED: usize = 32;

/// Tells the guest of one call what another was told.
///
/// The clocks and random bytes come in the order of the recording; stored values and responses are those of the same key and
/// the same request, in order. Where a guest asks for more, clocks, random bytes and its own store are what its host
/// has, and a request is denied.
#[derive(Debug, Default)]
pub struct Player(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// None where nothing was recorded.
    left: Option<Left>,
    missed: Vec<String>,
}

#[derive(Debug, Default)]
struct Left {
    wall: VecDeque<(u64, u32)>,
    monotonic: VecDeque<u64>,
    random: VecDeque<Blob>,
    kv: Vec<KvTold>,
    http: Vec<HttpTold>,
    files: Vec<FileTold>,
}

impl Player {
    /// Tells this.
    pub fn new(recording: Recording) -> Self {
        let Recording { wall, monotonic, random, kv, http, files, cut: _ } = recording;
        let left = Left { wall: wall.into(), monotonic: monotonic.into(), random: random.into(), kv, http, files };
        Self(Mutex::new(Inner { left: Some(left), missed: Vec::new() }))
    }

    /// Nothing was recorded: everything but requests is as at any time.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What the guest asked for that the recording does not hold, in words for people.
    pub fn missed(&self) -> Vec<String> {
        self.lock().missed.clone()
    }

    /// Files as they were.
    pub(super) fn files(&self) -> Option<Vec<FileTold>> {
        self.lock().left.as_ref().map(|left| left.files.clone())
    }

    pub(super) fn wall(&self) -> Option<(u64, u32)> {
        self.next(|left| left.wall.pop_front(), || "the time of day".to_owned())
    }

    pub(super) fn monotonic(&self) -> Option<u64> {
        self.next(|left| left.monotonic.pop_front(), || "the monotonic clock".to_owned())
    }

    pub(super) fn random(&self, len: usize) -> Option<Vec<u8>> {
        let next = |left: &mut Left| left.random.pop_front_if(|bytes| bytes.0.len() == len).map(|Blob(bytes)| bytes);
        self.next(next, || format!("{len} random bytes"))
    }

    pub(crate) fn kv(&self, key: &str, is_kind: impl Fn(&KvAnswer) -> bool) -> Option<KvAnswer> {
        let next = |left: &mut Left| {
            let place = left.kv.iter().position(|told| told.key == key && is_kind(&told.answer))?;
            Some(left.kv.remove(place).answer)
        };
        self.next(next, || format!("the key {key:?} of its store"))
    }

    pub(super) fn http(&self, request: &str) -> Option<HttpAnswer> {
        let inner = &mut *self.lock();
        let found = inner.left.as_mut().and_then(|left| {
            let place = left.http.iter().position(|told| told.request == request)?;
            Some(left.http.remove(place).answer)
        });
        if found.is_none() {
            inner.miss(request.to_owned());
        }
        found
    }

    fn next<T>(&self, next: impl FnOnce(&mut Left) -> Option<T>, what: impl FnOnce() -> String) -> Option<T> {
        let inner = &mut *self.lock();
        let found = next(inner.left.as_mut()?);
        if found.is_none() {
            inner.miss(what());
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn miss(&mut self, what: String) {
        if self.missed.len() < MISSED && !self.missed.contains(&what) {
            self.missed.push(what);
        }
    }
}
