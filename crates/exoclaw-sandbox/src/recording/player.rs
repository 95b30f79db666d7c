//! Tells again what was told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Blob, FileTold, HttpAnswer, KvAnswer, Recording};

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
    /// What was not told yet; none where nothing was recorded.
    left: Option<Recording>,
    missed: Vec<String>,
}

impl Player {
    /// Tells this.
    pub fn new(recording: Recording) -> Self {
        Self(Mutex::new(Inner { left: Some(recording), missed: Vec::new() }))
    }

    /// Nothing was recorded: everything but requests is as at any time.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What the guest asked for that the recording does not hold, in words for people.
    pub fn missed(&self) -> Vec<String> {
        self.lock().missed.clone()
    }

    /// Files as they were; told once.
    pub(super) fn files(&self) -> Option<Vec<FileTold>> {
        self.lock().left.as_mut().map(|left| std::mem::take(&mut left.files))
    }

    pub(super) fn wall(&self) -> Option<(u64, u32)> {
        self.next(|left| left.wall.pop_front(), || "the time of day".to_owned())
    }

    pub(super) fn monotonic(&self) -> Option<u64> {
        self.next(|left| left.monotonic.pop_front(), || "the monotonic clock".to_owned())
    }

    pub(super) fn random(&self, len: usize) -> Option<Vec<u8>> {
        let next =
            |left: &mut Recording| left.random.pop_front_if(|bytes| bytes.0.len() == len).map(|Blob(bytes)| bytes);
        self.next(next, || format!("{len} random bytes"))
    }

    pub(crate) fn kv(&self, key: &str, is_kind: impl Fn(&KvAnswer) -> bool) -> Option<KvAnswer> {
        let next = |left: &mut Recording| {
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

    fn next<T>(&self, next: impl FnOnce(&mut Recording) -> Option<T>, what: impl FnOnce() -> String) -> Option<T> {
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
