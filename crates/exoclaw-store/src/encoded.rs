//! A record with its JSON, written once before it is handed to a backend.

use crate::{AppendError, KvError, ReadError, Record};

/// Largest record or value in bytes: a message of the largest frame fits several times, and no backend comes near its
/// own bounds (SQLite holds a billion bytes per row).
pub(crate) const RECORD_BYTES: usize = 32 * 1024 * 1024;

/// A record beside the JSON that is stored.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) record: Record,
    pub(crate) json: String,
}

/// Encodes what is appended at once.
pub(crate) fn encode(records: Vec<Record>) -> Result<Vec<Encoded>, AppendError> {
    if records.is_empty() {
        return Err(AppendError::Empty);
    }
    let encode_one = |record: Record| {
        let json = serde_json::to_string(&record).map_err(|error| AppendError::Failed(error.into()))?;
        check_size(json.len())?;
        Ok(Encoded { record, json })
    };
    records.into_iter().map(encode_one).collect()
}

/// Refuses a value that is larger than a record may be.
pub(crate) fn check_value(value: &[u8]) -> Result<(), KvError> {
    check_size(value.len()).map_err(|error| KvError::Failed(error.into()))
}

/// Refuses what is larger than a record may be.
pub(crate) fn check_size(bytes: usize) -> Result<(), AppendError> {
    if bytes > RECORD_BYTES { Err(AppendError::TooLarge { bytes, max: RECORD_BYTES }) } else { Ok(()) }
}

/// Reads a stored record back.
pub(crate) fn decode(session: &str, seq: u64, json: &[u8]) -> Result<Record, ReadError> {
    serde_json::from_slice(json).map_err(|error| ReadError::Damaged {
        session: session.to_owned(),
        seq,
        problem: error.to_string(),
    })
}
