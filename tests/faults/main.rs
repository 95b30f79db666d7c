//! Faults done to the store and the daemon: kills, power cuts, failing and full disks, damaged files. What was acknowledged
//! must be there.
//!
//! `cargo xtask faults --help` says how to run them. Each is done to a process of its own, which for the store is this
//! program again. Negative controls do the same with a guard taken out, and must see the promise broken.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod args;
mod daemon;
mod damage;
mod disk;
mod failing;
mod kill;
mod power;
mod verify;
mod watched;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, ExitCode},
    time::Instant,
};

use args::{Args, Tier};

/// What a fault needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Strace,
    /// Root, `strace`, and a file system of its own, which `mkfs.ext4` makes.
    Root,
}

impl Needs {
    fn are_met(self) -> bool {
        let strace = || Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
        match self {
            Self::Nothing => true,
            Self::Strace => strace().is_ok_and(|output| output.status.success()),
            Self::Root => Self::Strace.are_met() && disk::can_be_made(),
        }
    }
}

/// Does its faults and says what was seen; panics where a promise was broken.
type Fault = fn(Tier) -> String;

const FAULTS: &[(&str, Needs, Fault)] = &[
    ("kill_at_random", Needs::Nothing, kill::at_random),
    ("kill_at_system_calls", Needs::Strace, kill::at_system_calls),
    ("kill_control_early_acknowledgement", Needs::Nothing, kill::control_early_acknowledgement),
    ("power_cut", Needs::Root, power::cut),
    ("power_control_no_sync", Needs::Root, power::control_no_sync),
    ("failed_sync", Needs::Strace, failing::sync),
    ("full_disk", Needs::Root, failing::full),
    ("bit_flips", Needs::Nothing, damage::bit_flips),
    ("bit_flips_in_records", Needs::Nothing, damage::bit_flips_in_records),
    ("bit_flips_control_no_checksum", Needs::Nothing, damage::control_no_checksum),
    ("truncation", Needs::Nothing, damage::truncation),
    ("daemon_stalled_sync", Needs::Root, daemon::stalled_sync),
    ("daemon_failed_sync", Needs::Root, daemon::failed_sync),
    ("daemon_full_disk", Needs::Root, daemon::full_disk),
];

/// The argument that says that this process has its mounts for itself.
const OWN_MOUNTS: &str = "--own-mounts";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [writer::FLAG, args @ ..] => writer::main(args),
        [OWN_MOUNTS, args @ ..] => run(&Args::parse(args)),
        args => {
            disk::become_with_own_mounts(&[&[OWN_MOUNTS], args].concat());
            run(&Args::parse(args))
        }
    }
}

/// Does the faults that are chosen. What a machine lacks for one is said, and is a failure where `CI` is set.
fn run(args: &Args) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, needs, fault) in FAULTS.iter().filter(|(name, ..)| args.choose(name)) {
        if args.list {
            println!("{name}: test");
            continue;
        }
        if !needs.are_met() {
            let counted = if std::env::var_os("CI").is_some() { &mut failed } else { &mut skipped };
            *counted += 1;
            println!("{name}: skipped, for it needs {needs:?}");
            continue;
        }
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| fault(args.tier))) {
            Ok(figures) => {
                passed += 1;
                println!("{name}: {figures} ({:.1} s)", started.elapsed().as_secs_f64());
            }
            Err(_) => {
                failed += 1;
                println!("{name}: FAILED with --seed {}", args.tier.seed);
            }
        }
    }
    if !args.list {
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
