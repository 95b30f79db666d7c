//! `devices.json`: what is kept of devices.

use std::{fs::File, path::PathBuf};

use exoclaw_protocol::{DeviceId, DeviceInfo, DeviceLook, TokenName, limits, openclaw::OperatorScope};
use serde::{Deserialize, Serialize};

use super::DeviceError;
use crate::{
    private::PrivateDirectory,
    tokens::{Digest, optional},
};

const FILE: &str = "devices.json";
const LOCK: &str = "devices.lock";

/// Largest file that is read: far more than all devices together take.
const FILE_BYTES: usize = 1024 * 1024;

/// Format of the file.
const VERSION: u32 = 1;

/// What is kept of one device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    pub(super) id: DeviceId,
    pub(super) look: DeviceLook,
    pub(super) scopes: Vec<OperatorScope>,
    pub(super) by: TokenName,
    /// SHA-256 of the token that it came with, and with which it goes; none where somebody approved it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) came_with: Option<Digest>,
    /// SHA-256 of its own token.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) token: Option<Digest>,
    /// It was approved and has not fetched its token yet: its key is enough, once.
    pub(super) awaited: bool,
    pub(super) created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_used_ms: Option<u64>,
}

impl Record {
    pub(super) fn info(&self) -> DeviceInfo {
        let Self { id, look, scopes, by, came_with, token, created_ms, last_used_ms, .. } = self.clone();
        let (approved, has_token) = (came_with.is_none(), token.is_some());
        DeviceInfo { id, look, scopes, by, approved, has_token, created_ms, last_used_ms }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    devices: Vec<&'a Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: u32,
    devices: Vec<Record>,
}

/// The file, and the lock that keeps other processes away.
#[derive(Debug)]
pub(super) struct DeviceFile {
    directory: PrivateDirectory,
    _lock: File,
}

impl DeviceFile {
    pub(super) fn open(directory: PathBuf) -> Result<(Self, Vec<Record>), DeviceError> {
        let directory = PrivateDirectory::new(directory);
        let path = directory.file(FILE);
        let Some(lock) = directory.lock(LOCK)? else { return Err(DeviceError::InUse { path }) };
        let records = match directory.read(FILE, FILE_BYTES)? {
            Some(text) => records(&text).map_err(|source| DeviceError::Broken { path, source })?,
            None => Vec::new(),
        };
        Ok((Self { directory, _lock: lock }, records))
    }

    pub(super) fn write<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Result<(), DeviceError> {
        let written = Written { version: VERSION, devices: records.collect() };
        let text = serde_json::to_string_pretty(&written)
            .map_err(|source| DeviceError::Broken { path: self.directory.file(FILE), source })?;
        Ok(self.directory.write(FILE, &text)?)
    }
}

/// Each device once.
fn records(text: &str) -> Result<Vec<Record>, serde_json::Error> {
    let Read { version, mut devices } = serde_json::from_str(text)?;
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    let wrong = |what: &str| Err(serde::de::Error::custom(what));
    if version != VERSION {
        return wrong("its version is not known");
    }
    if devices.windows(2).any(|pair| pair[0].id == pair[1].id) || devices.len() > limits::DEVICES {
        return wrong("a device is there twice, or there are too many");
    }
    Ok(devices)
}
