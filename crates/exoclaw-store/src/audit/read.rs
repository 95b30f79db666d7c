//! Reading a trail, oldest record first.

use std::{collections::VecDeque, path::Path};

use super::{
    Record, TrailError,
    file::{FILE_BYTES, files, name_of},
    line::Line,
};
use crate::private::PrivateDirectory;

/// The records of a trail, one file in memory at a time. What is no record is left out: [`verify`](super::verify) names it.
#[derive(Debug)]
pub struct Records {
    directory: PrivateDirectory,
    files: VecDeque<u64>,
    records: std::vec::IntoIter<Record>,
}

/// The records in that directory, from the number `from` on. Whoever writes may go on meanwhile.
///
/// # Errors
/// When the directory can't be read, or others can read it.
pub fn records(directory: &Path, from: u64) -> Result<Records, TrailError> {
    let directory = PrivateDirectory::new(directory.to_owned());
    let mut files: VecDeque<u64> = files(&directory)?.into();
    // The record lies in the last file that does not begin after it.
    while files.get(1).is_some_and(|second| *second <= from) {
        files.pop_front();
    }
    Ok(Records { directory, files, records: Vec::new().into_iter() })
}

impl Records {
    /// Number of the record with which the newest file begins.
    pub fn newest_file(&self) -> Option<u64> {
        self.files.back().copied()
    }
}

impl Iterator for Records {
    type Item = Result<Record, TrailError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(Ok(record));
            }
            let bytes = match self.directory.bytes(&name_of(self.files.pop_front()?), FILE_BYTES) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => return Some(Err(error.into())),
            };
            let lines = bytes.split(|byte| *byte == b'\n').filter_map(Line::read).map(|line| line.record);
            self.records = lines.collect::<Vec<_>>().into_iter();
        }
    }
}
