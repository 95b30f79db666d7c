//! What must be found after a fault.

use std::path::Path;

use exoclaw_store::{Page, SqliteConfig, SqliteStore, Store, upkeep};

use crate::writer::{WRITERS, record, session};

const PAGE: Page = Page { entries: 10_000, bytes: u64::MAX };

/// Opens the store as after a restart and compares: every acknowledged record is there, in order, and what is beyond them
/// is whole. Gives back the last number of each writer, or what was lost.
pub(crate) fn verify(store: &Path, acknowledged: &[u64; WRITERS]) -> Result<[u64; WRITERS], String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let opened = SqliteStore::open(&SqliteConfig::new(store)).map_err(|error| error.to_string())?;
        let mut last = [0; WRITERS];
        for (writer, last) in last.iter_mut().enumerate() {
            let entries = opened.read(&session(writer), 0, PAGE).await.map_err(|error| error.to_string())?;
            for (entry, seq) in entries.iter().zip(1..) {
                if entry.seq != seq || entry.record != record(writer, seq) {
                    return Err(format!("record {} of writer {writer} stands where {seq} should be", entry.seq));
                }
            }
            *last = entries.len() as u64;
            if *last < acknowledged[writer] {
                return Err(format!("{} of {} records of writer {writer} are left", last, acknowledged[writer]));
            }
        }
        opened.close().await;
        let findings = upkeep::check(store).map_err(|error| error.to_string())?;
        if findings.is_sound() { Ok(last) } else { Err(format!("{:?}", findings.problems)) }
    })
}
