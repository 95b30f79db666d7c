//! The power is cut: what the disk holds at one moment is all that is left.
//!
//! The disk is copied while the writer stands still between two instructions. What only the system's memory held is not in
//! the copy, so a record that was never synced is lost. A disk that keeps writes in memory of its own and forgets those
//! before a flush is not imitated: whatever the file system has handed over counts as kept.

use crate::{
    Tier,
    disk::Disk,
    verify::verify,
    watched::{Watched, strace},
    writer::{Mode, WRITERS},
};

/// Cuts after which a new disk is begun: it must not become full.
const CUTS_PER_DISK: u64 = 20;

const DISK_BYTES: u64 = 48 << 20;

/// Cuts the power so often, and says what was acknowledged in all, or what was lost at which cut.
fn cuts(tier: Tier, count: u64, wrapper: &[String]) -> Result<u64, String> {
    let mut random = tier.random("power");
    let (mut done, mut acknowledged) = (0, 0);
    while done < count {
        let disk = Disk::new(DISK_BYTES).unwrap();
        let mut writer = Watched::start(wrapper, &disk.folder().join("store.db"), WRITERS, 0, Mode::Honest);
        for _ in 0..CUTS_PER_DISK.min(count - done) {
            writer.hear_acknowledgements(1 + random.below(150));
            writer.signal("STOP");
            let found = disk.after_a_cut();
            writer.signal("CONT");
            done += 1;
            found
                .and_then(|found| verify(&found.folder().join("store.db"), &writer.acknowledged))
                .map_err(|lost| format!("cut {done}: {lost}"))?;
        }
        acknowledged += writer.total();
        writer.kill();
    }
    Ok(acknowledged)
}

/// Power cuts under eight writers.
pub(crate) fn cut(tier: Tier) -> String {
    let count = tier.count(20, 1000);
    let acknowledged = cuts(tier, count, &[]).unwrap_or_else(|lost| panic!("{lost}"));
    format!("{count} cuts, {acknowledged} records acknowledged, 0 lost")
}

/// With a sync that only says that it was done, a loss must be seen.
pub(crate) fn control_no_sync(tier: Tier) -> String {
    match cuts(tier, 10, &strace("fsync,fdatasync", "retval=0")) {
        Err(lost) => format!("seen at {lost}"),
        Ok(_) => panic!("a loss goes unseen"),
    }
}
