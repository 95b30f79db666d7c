//! What the host told a guest in one call, kept so that it can be told again.
//!
//! What a guest computes follows from its arguments and from what its host tells it: clocks, random bytes, its own store,
//! responses and files. A [`Recorder`] keeps these while a call runs; a [`Player`] tells them to a later call, which then
//! needs neither network nor time, and reaches nothing outside.

mod exchange;
mod files;
mod player;
mod recorder;
mod shadow;

use std::{collections::VecDeque, sync::Arc};

pub use player::Player;
pub use recorder::Recorder;
use serde::{Deserialize, Serialize};

pub(crate) use exchange::{play, tee};
pub(crate) use shadow::shadow;

/// What becomes of what the host tells the guest of a call.
#[derive(Debug, Clone, Default)]
pub enum Tape {
    /// It is told and forgotten.
    #[default]
    Off,
    /// It is kept.
    Record(Arc<Recorder>),
    /// It is what was kept of another call. No request leaves, whatever the permit says.
    Play(Arc<Player>),
}

/// What the host told a guest in one call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Recording {
    /// The time of day, in seconds and nanoseconds since 1970.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) wall: VecDeque<(u64, u32)>,
    /// The monotonic clock, in nanoseconds.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) monotonic: VecDeque<u64>,
    /// Random bytes, of whatever kind.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) random: VecDeque<Blob>,
    /// The plugin's own store.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) kv: Vec<KvTold>,
    /// Requests that were let out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) http: Vec<HttpTold>,
    /// Files as they were before the call did anything to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<FileTold>,
    /// There was more than is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cut: bool,
}

impl Recording {
    /// There was more than is kept: what comes after it can't be told again.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// One answer of a plugin's own store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KvTold {
    /// The key, or the prefix of keys that were listed.
    pub(crate) key: String,
    pub(crate) answer: KvAnswer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KvAnswer {
    Value(Option<Blob>),
    Keys(Vec<String>),
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HttpTold {
    /// Method and URL.
    pub(crate) request: String,
    pub(crate) answer: HttpAnswer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum HttpAnswer {
    Response {
        status: u16,
        headers: Vec<(String, Blob)>,
        body: Blob,
        /// The guest read it to its end.
        whole: bool,
    },
    /// None came; as the operator reads it.
    Failed(String),
}

/// What a guest could see of one path in a granted directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileTold {
    /// The directory, as the guest names it.
    pub(crate) dir: String,
    /// The path in it; the directory itself has none.
    pub(crate) path: String,
    pub(crate) what: FileKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FileKind {
    Absent,
    Directory,
    #[serde(rename_all = "camelCase")]
    File {
        size: u64,
        /// Since 1970.
        modified_ms: u64,
        /// There if the guest opened it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Blob>,
    },
}

/// Bytes, in base64 where they are text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl From<Blob> for String {
    fn from(Blob(bytes): Blob) -> Self {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}

impl TryFrom<String> for Blob {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).map(Self)
    }
}

#[cfg(test)]
mod tests;
