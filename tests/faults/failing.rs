//! The store's disk fails, or is full.

use crate::{
    Tier,
    disk::Disk,
    verify::verify,
    watched::{Watched, strace},
    writer::{Mode, WRITERS},
};

/// Refusals of one writer that are heard before it counts as refused for good: it asks again every 50 ms.
const FOR_GOOD: u64 = 20;

/// Room for far more than is written here.
const DISK_BYTES: u64 = 256 << 20;

/// Within so many refusals a disk that was freed must be found usable: a minute.
const PATIENCE: u64 = 1200;

/// One sync fails and those after it would succeed: nothing is acknowledged any more, and reading goes on.
pub(crate) fn sync(tier: Tier) -> String {
    let mut random = tier.random("sync");
    let cycles = tier.count(3, 50);
    for cycle in 0..cycles {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store.db");
        let fault = format!("error=EIO:when={}", 12 + random.below(40));
        let mut writer = Watched::start(&strace("fsync,fdatasync", &fault), &store, WRITERS, 0, Mode::Stubborn);
        assert!(writer.hear_until(|writer| writer.refused.iter().all(|times| *times > 0)));
        let known = writer.acknowledged;
        assert!(writer.hear_until(|writer| writer.refused.iter().all(|times| *times > FOR_GOOD)));
        assert_eq!(writer.acknowledged, known, "cycle {cycle}: acknowledged after a failed sync");
        writer.kill();
        verify(&store, &known).unwrap_or_else(|lost| panic!("cycle {cycle}: {lost}"));
    }
    format!("{cycles} failed syncs, nothing acknowledged after, 0 lost")
}

/// The disk is really full: writers are refused and can read; when there is room again they go on by themselves.
pub(crate) fn full(tier: Tier) -> String {
    /// A new one is begun after so many times, for the store grows on it.
    const TIMES_PER_DISK: u64 = 5;
    let times = tier.count(3, 100);
    let (mut done, mut acknowledged) = (0, 0);
    while done < times {
        let disk = Disk::new(DISK_BYTES).unwrap();
        let store = disk.folder().join("store.db");
        let mut writer = Watched::start(&[], &store, WRITERS, 0, Mode::Stubborn);
        for _ in 0..TIMES_PER_DISK.min(times - done) {
            writer.hear_acknowledgements(50);
            disk.fill();
            let before = writer.refused;
            let refused = |writer: &Watched| writer.refused.iter().zip(before).all(|(now, before)| *now > before);
            assert!(writer.hear_until(refused), "the writer ended");
            disk.free();
            let known = writer.acknowledged;
            let goes_on = |writer: &Watched| writer.acknowledged.iter().zip(known).all(|(now, known)| *now > known);
            let given_up = |writer: &Watched| writer.refused.iter().max() > Some(&(before[0] + PATIENCE));
            assert!(writer.hear_until(|writer| goes_on(writer) || given_up(writer)), "the writer ended");
            assert!(goes_on(&writer), "there is room again, and it is not used: {}", writer.reason);
            done += 1;
        }
        acknowledged += writer.total();
        writer.kill();
        verify(&store, &writer.acknowledged).unwrap_or_else(|lost| panic!("{lost}"));
    }
    format!("{times} times full and free again, {acknowledged} records acknowledged, 0 lost")
}
