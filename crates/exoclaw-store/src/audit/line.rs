//! One record as one line: JSON that ends with its hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Decision, Entry, What};

/// SHA-256 of a record and all before it.
pub(super) type Hash = [u8; 32];

/// What comes before the first record.
pub(super) const NOTHING: Hash = [0; 32];

/// What stands between a record and its hash.
const HASH: &str = ",\"hash\":\"";

/// A record, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Its number, one more than that of the record before.
    pub seq: u64,
    /// When it was noted, or last noted, in milliseconds since 1970.
    pub ms: u64,
    /// What it is about.
    pub what: What,
    /// What was done or tried.
    pub action: String,
    /// How it went.
    pub decision: Decision,
    /// Whose credential it was, or which agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Where they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Why it was decided so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of a content that is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How often more it happened since the record of its first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
    /// At the start of a file: the hash of the record before it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex_hash")]
    pub prev: Option<[u8; 32]>,
}

impl Record {
    pub(super) fn new(entry: Entry, ms: u64, more: Option<u64>) -> Self {
        let Entry { what, action, decision, who, from, object, reason, sha256 } = entry;
        let action = action.to_owned();
        Self { seq: 0, ms, what, action, decision, who, from, object, reason, sha256, more, prev: None }
    }
}

/// Appends a record's line to `text`; gives its hash.
pub(super) fn write(record: &Record, prev: &Hash, text: &mut String) -> Hash {
    // A struct of texts and numbers is always JSON.
    let json = serde_json::to_string(record).unwrap_or_default();
    let body = json.strip_suffix('}').unwrap_or(&json);
    let hash = chain(prev, body);
    for part in [body, HASH, &hex::encode(hash), "\"}\n"] {
        text.push_str(part);
    }
    hash
}

/// A line that was read, without its newline.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    pub(super) record: Record,
    pub(super) hash: Hash,
    body: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` where it is none of ours.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix("\"}")?;
        let (head, hash) = line.split_at_checked(line.len().checked_sub(64)?)?;
        let body = head.strip_suffix(HASH)?;
        let digits = hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let hash = hex::decode(hash).ok().filter(|_| digits)?.try_into().ok()?;
        let record = serde_json::from_str(&format!("{body}}}")).ok()?;
        Some(Self { record, hash, body })
    }

    /// Whether it follows the record with the hash `prev`, unchanged.
    pub(super) fn follows(&self, prev: &Hash) -> bool {
        chain(prev, self.body) == self.hash && self.record.prev.is_none_or(|named| named == *prev)
    }
}

fn chain(prev: &Hash, body: &str) -> Hash {
    Sha256::new().chain_update(prev).chain_update(body).finalize().into()
}

mod hex_hash {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Hash;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(hash: &Option<Hash>, serializer: S) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.serialize_str(&hex::encode(hash)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hash>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = hex::decode(text).map_err(serde::de::Error::custom)?;
        bytes.try_into().map(Some).map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))
    }
}
