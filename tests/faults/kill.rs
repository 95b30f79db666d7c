//! The process is killed.

use std::os::unix::process::ExitStatusExt;

use crate::{
    Tier,
    verify::verify,
    watched::{Watched, strace},
    writer::{Mode, WRITERS},
};

/// Kills after which a new store is begun, so that looking through it stays quick.
const KILLS_PER_STORE: u64 = 20;

/// System calls that change files.
const CALLS: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";

/// SIGKILL at random under eight writers.
pub(crate) fn at_random(tier: Tier) -> String {
    let kills = tier.count(100, 1000);
    let mut random = tier.random("kill");
    let mut acknowledged = 0;
    let mut home = tempfile::tempdir().unwrap();
    let mut last = [0; WRITERS];
    for kill in 0..kills {
        if kill % KILLS_PER_STORE == 0 {
            (home, last) = (tempfile::tempdir().unwrap(), [0; WRITERS]);
        }
        let store = home.path().join("store.db");
        let mut writer = Watched::start(&[], &store, WRITERS, 0, Mode::Honest);
        writer.acknowledged = last;
        let before = writer.total();
        writer.hear_acknowledgements(random.below(120));
        writer.kill();
        acknowledged += writer.total() - before;
        last = verify(&store, &writer.acknowledged).unwrap_or_else(|lost| panic!("kill {kill}: {lost}"));
    }
    format!("{kills} kills, {acknowledged} records acknowledged, 0 lost")
}

/// SIGKILL at each system call of a script of twenty messages that changes a file, or at some of them.
pub(crate) fn at_system_calls(tier: Tier) -> String {
    const MESSAGES: u64 = 20;
    let (mut kills, mut call) = (0, 1);
    loop {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store.db");
        let wrapper = strace(CALLS, &format!("signal=SIGKILL:when={call}"));
        let mut writer = Watched::start(&wrapper, &store, 1, MESSAGES, Mode::Honest);
        let status = writer.hear_out();
        verify(&store, &writer.acknowledged).unwrap_or_else(|lost| panic!("call {call}: {lost}"));
        if status.success() {
            assert_eq!(writer.total(), MESSAGES);
            break;
        }
        assert_eq!(status.signal(), Some(9), "{status}");
        kills += 1;
        // The first calls make the file; later ones repeat.
        call += if tier.count(0, 1) == 1 || call < 8 { 1 } else { 9 };
    }
    assert!(kills > 10, "{kills}");
    format!("{kills} kills, the last at call {call}, 0 lost")
}

/// Acknowledging before the commit must be seen to lose.
pub(crate) fn control_early_acknowledgement(tier: Tier) -> String {
    let mut random = tier.random("early");
    for kill in 1..=50 {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store.db");
        let mut writer = Watched::start(&[], &store, WRITERS, 0, Mode::Early);
        writer.hear_acknowledgements(1 + random.below(60));
        writer.kill();
        if let Err(lost) = verify(&store, &writer.acknowledged) {
            return format!("seen at kill {kill}: {lost}");
        }
    }
    panic!("a loss goes unseen");
}
