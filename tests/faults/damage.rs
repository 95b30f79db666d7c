//! The file is damaged: it is named, or it is harmless.

use std::fs;

use exoclaw_store::{Page, ReadError, SqliteConfig, SqliteStore, Store, upkeep};
use exoclaw_tests::random::Random;

use crate::{
    Tier,
    writer::{WRITERS, record, session},
};

/// Records of each writer.
const RECORDS: u64 = 20;

/// The bytes of a store in which every writer has its records.
fn sound() -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store.db");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(&SqliteConfig::new(&path)).unwrap();
        for seq in 1..=RECORDS {
            for writer in 0..WRITERS {
                store.append(&session(writer), seq, vec![record(writer, seq)]).await.unwrap();
            }
        }
        store.close().await;
    });
    fs::read(path).unwrap()
}

/// What is found in a store that may be damaged.
#[derive(Debug, Default)]
struct Found {
    records: u64,
    /// Records that were named as damaged: writer and number.
    damaged: Vec<(usize, u64)>,
    /// Reading, or opening, failed as a whole.
    gave_up: bool,
    /// A check finds nothing.
    is_sound: bool,
}

/// Reads all that can be read. A record that is not the one that was written is an error.
fn look(bytes: &[u8]) -> Result<Found, String> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store.db");
    fs::write(&path, bytes).unwrap();
    let is_sound = upkeep::check(&path).is_ok_and(|findings| findings.is_sound());
    let mut found = Found { is_sound, ..Found::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let Ok(store) = SqliteStore::open(&SqliteConfig::new(path)) else {
            found.gave_up = true;
            return Ok(());
        };
        for writer in 0..WRITERS {
            read_on(&store, writer, &mut found).await?;
        }
        store.close().await;
        Ok::<_, String>(())
    })?;
    Ok(found)
}

/// Reads the records of a writer, past those that are damaged.
async fn read_on(store: &SqliteStore, writer: usize, found: &mut Found) -> Result<(), String> {
    let mut after = 0;
    loop {
        match store.read(&session(writer), after, Page { entries: 1, bytes: 1 << 20 }).await {
            Ok(entries) => {
                let Some(entry) = entries.first() else { return Ok(()) };
                if entry.seq <= after || entry.record != record(writer, entry.seq) {
                    return Err(format!("record {} of writer {writer} is not what was written", entry.seq));
                }
                found.records += 1;
                after = entry.seq;
            }
            Err(ReadError::Damaged { seq, .. }) if (after + 1..=RECORDS).contains(&seq) => {
                found.damaged.push((writer, seq));
                after = seq;
            }
            // The database itself gives up here: what lies beyond is not asked for.
            Err(_) => {
                found.gave_up = true;
                return Ok(());
            }
        }
    }
}

/// Damages a store so often, somewhere; tells how it was found.
fn somewhere(count: u64, what: &str, mut harm: impl FnMut(&mut Vec<u8>)) -> String {
    let sound = sound();
    let (mut when_read, mut by_check, mut harmless) = (0, 0, 0);
    for cycle in 0..count {
        let mut bytes = sound.clone();
        harm(&mut bytes);
        let found = look(&bytes).unwrap_or_else(|wrong| panic!("cycle {cycle}: {wrong}"));
        let complete = found.records == RECORDS * WRITERS as u64;
        match (found.gave_up || !found.damaged.is_empty(), found.is_sound) {
            (true, _) => when_read += 1,
            (false, false) => by_check += 1,
            (false, true) if complete => harmless += 1,
            (false, true) => panic!("cycle {cycle}: records are missing, and nothing says so: {found:?}"),
        }
    }
    assert!(when_read > 0, "nothing is ever found");
    format!("{count} {what}: {when_read} named when read, {by_check} by the check, {harmless} harmless, 0 wrong")
}

fn index(random: &mut Random, len: usize) -> usize {
    usize::try_from(random.below(len as u64)).unwrap()
}

/// One bit of the file is another.
pub(crate) fn bit_flips(tier: Tier) -> String {
    let mut random = tier.random("bits");
    somewhere(tier.count(100, 5_000), "bits flipped", |bytes| {
        let at = index(&mut random, bytes.len());
        bytes[at] ^= 1 << random.below(8);
    })
}

/// The end of the file is missing.
pub(crate) fn truncation(tier: Tier) -> String {
    let mut random = tier.random("truncation");
    somewhere(tier.count(50, 1_000), "files cut off", |bytes| {
        let at = index(&mut random, bytes.len());
        bytes.truncate(at);
    })
}

/// Harms the text of a record wherever the file has it: pages that were split keep what they held.
fn harm_record(bytes: &mut [u8], writer: usize, seq: u64, harm: impl Fn(&mut [u8])) {
    let text = serde_json::to_vec(&record(writer, seq)).unwrap();
    for at in 0..=bytes.len() - text.len() {
        if bytes[at..].starts_with(&text) {
            harm(&mut bytes[at..at + text.len()]);
        }
    }
}

/// One bit of a record is another: that record is named, and it hides no other.
pub(crate) fn bit_flips_in_records(tier: Tier) -> String {
    let (count, mut random, sound) = (tier.count(100, 5_000), tier.random("records"), sound());
    for cycle in 0..count {
        let (writer, seq) = (index(&mut random, WRITERS), 1 + random.below(RECORDS));
        let (at, bit) = (index(&mut random, 1 << 16), random.below(8));
        let mut bytes = sound.clone();
        harm_record(&mut bytes, writer, seq, |text| text[at % text.len()] ^= 1 << bit);
        let found = look(&bytes).unwrap_or_else(|wrong| panic!("cycle {cycle}: {wrong}"));
        assert_eq!(found.damaged, [(writer, seq)], "cycle {cycle}: it is not named");
        assert_eq!(found.records, RECORDS * WRITERS as u64 - 1, "cycle {cycle}: it hides others");
        assert!(!found.gave_up && !found.is_sound, "cycle {cycle}: {found:?}");
    }
    format!("{count} bits flipped in records: each named, 0 others hidden")
}

/// A change that the checksum can't see must be seen to get through: nothing else stands in its way.
pub(crate) fn control_no_checksum(_: Tier) -> String {
    let mut bytes = sound();
    harm_record(&mut bytes, 0, RECORDS, |text| {
        let filler = text.windows(8).position(|window| window == b"xxxxxxxx").unwrap();
        for (byte, change) in text[filler..].iter_mut().zip(invisible_change(b'x')) {
            *byte ^= change;
        }
    });
    match look(&bytes) {
        Err(wrong) => format!("seen: {wrong}"),
        Ok(found) => panic!("a wrong record goes unseen: {found:?}"),
    }
}

/// Bits that can be flipped in a row of `letter` so that other letters come of it and CRC-32 stays what it was: a multiple
/// of its polynomial.
fn invisible_change(letter: u8) -> [u8; 8] {
    /// x³² + x²⁶ + … + 1, the highest power in the lowest bit, as the checksum of IEEE 802.3 takes them.
    const POLYNOMIAL: u64 = 1 | 0xEDB8_8320 << 1;
    let product = |factor: u64| {
        let shifted = (0..24).filter(|bit| factor >> bit & 1 == 1).map(|bit| POLYNOMIAL << bit);
        shifted.fold(0, |sum, shifted| sum ^ shifted).to_le_bytes()
    };
    let is_letter = |change: u8| (letter ^ change).is_ascii_alphanumeric();
    (1..1 << 24).map(product).find(|change| change.iter().all(|change| is_letter(*change))).unwrap()
}
