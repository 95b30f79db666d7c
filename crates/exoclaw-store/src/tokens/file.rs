//! `tokens.json`: what is kept of tokens.

use std::{fs::File, path::PathBuf};

use exoclaw_protocol::{Scope, TokenInfo, TokenName};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::TokenError;
use crate::private::PrivateDirectory;

const FILE: &str = "tokens.json";
const LOCK: &str = "tokens.lock";

/// Largest file that is read: far more than all tokens together take.
const FILE_BYTES: usize = 1024 * 1024;

/// Format of the file.
const VERSION: u32 = 1;

/// SHA-256 of a token.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(token: &str) -> Digest {
    <Sha256 as sha2::Digest>::digest(token.as_bytes()).into()
}

/// What is kept of one token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    pub(super) name: TokenName,
    pub(super) scope: Scope,
    pub(super) created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_used_ms: Option<u64>,
    #[serde(with = "hex::serde")]
    pub(super) active: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) next: Option<Digest>,
}

impl Record {
    pub(super) fn new(name: TokenName, scope: Scope, expires_ms: Option<u64>, created_ms: u64, active: Digest) -> Self {
        Self { name, scope, created_ms, expires_ms, last_used_ms: None, active, next: None }
    }

    pub(super) fn info(&self) -> TokenInfo {
        let Self { name, scope, created_ms, expires_ms, last_used_ms, next, .. } = self.clone();
        TokenInfo { name, scope, created_ms, expires_ms, last_used_ms, rotating: next.is_some() }
    }

    /// The digests of its texts.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> + use<> {
        [Some(self.active), self.next].into_iter().flatten()
    }

    /// Whether it is the active text, and whether it is the next one. Takes the same time whatever they are.
    pub(super) fn matches(&self, shown: &Digest) -> (bool, bool) {
        let next = self.next.as_ref().unwrap_or(&self.active);
        (self.active.ct_eq(shown).into(), bool::from(next.ct_eq(shown)) && self.next.is_some())
    }
}

pub(crate) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Digest;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => serializer.serialize_str(&hex::encode(digest)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
        #[derive(Deserialize)]
        struct Hex(#[serde(with = "hex::serde")] Digest);
        Ok(Option::<Hex>::deserialize(deserializer)?.map(|Hex(digest)| digest))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    tokens: Vec<&'a Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: u32,
    tokens: Vec<Record>,
}

/// The file, and the lock that keeps other processes away.
#[derive(Debug)]
pub(super) struct TokenFile {
    directory: PrivateDirectory,
    _lock: File,
}

impl TokenFile {
    pub(super) fn open(directory: PathBuf) -> Result<(Self, Vec<Record>), TokenError> {
        let directory = PrivateDirectory::new(directory);
        let path = directory.file(FILE);
        let Some(lock) = directory.lock(LOCK)? else { return Err(TokenError::InUse { path }) };
        let records = match directory.read(FILE, FILE_BYTES)? {
            Some(text) => records(&text).map_err(|source| TokenError::Broken { path, source })?,
            None => Vec::new(),
        };
        Ok((Self { directory, _lock: lock }, records))
    }

    pub(super) fn write<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Result<(), TokenError> {
        let written = Written { version: VERSION, tokens: records.collect() };
        let text = serde_json::to_string_pretty(&written)
            .map_err(|source| TokenError::Broken { path: self.directory.file(FILE), source })?;
        Ok(self.directory.write(FILE, &text)?)
    }
}

/// By name, each name once.
fn records(text: &str) -> Result<Vec<Record>, serde_json::Error> {
    let Read { version, mut tokens } = serde_json::from_str(text)?;
    tokens.sort_by(|a, b| a.name.cmp(&b.name));
    let wrong = |what: &str| Err(serde::de::Error::custom(what));
    if version != VERSION {
        return wrong("its version is not known");
    }
    if tokens.windows(2).any(|pair| pair[0].name == pair[1].name) || tokens.len() > super::TOKENS {
        return wrong("a name is there twice, or there are too many");
    }
    Ok(tokens)
}
