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

/// The newest records in that directory, oldest first and at most so many; older files are not read.
///
/// # Errors
/// When the directory can't be read, or others can read it.
pub fn newest(directory: &Path, count: usize) -> Result<Vec<Record>, TrailError> {
    let directory = PrivateDirectory::new(directory.to_owned());
    let mut newest = VecDeque::new();
    for file in files(&directory)?.into_iter().rev() {
        if newest.len() >= count {
            break;
        }
        let mut records = read(&directory, file)?;
        let missing = count - newest.len();
        records.drain(..records.len().saturating_sub(missing));
        records.into_iter().rev().for_each(|record| newest.push_front(record));
    }
    Ok(newest.into())
}

fn read(directory: &PrivateDirectory, file: u64) -> Result<Vec<Record>, TrailError> {
    let bytes = directory.bytes(&name_of(file), FILE_BYTES)?.unwrap_or_default();
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(Line::read).map(|line| line.record).collect())
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
            match read(&self.directory, self.files.pop_front()?) {
                Ok(records) => self.records = records.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
