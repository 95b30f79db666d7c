//! Faults done on purpose, and the tools that do them.

use std::env;

use crate::{
    ci,
    shell::{Result, Shell},
    toolchain,
};

/// Programs that do them, and how each shows that it is there.
const TOOLS: [(&str, &str); 2] = [("strace", "-V"), ("mkfs.ext4", "-V")];

const PACKAGES: [&str; 2] = ["strace", "e2fsprogs"];

/// Kills, stops and lost connections of each client in the full tier.
const DAEMON_FAULTS: &str = "1000";

/// Clients of each of three sessions that lose their connections in the full tier: 200 in all.
const CLIENTS: &str = "67";

const HELP: &str = "\
cargo xtask faults [--full] [--seed N] [NAME…]

Kills, power cuts, failing and full disks and damaged files, done to the store and to a real daemon: what was
acknowledged must be there. Prints what was done and seen. `cargo xtask test` does the same in short.

--full     as often as the project's promises say, for about an hour, and as many kills of a daemon under load
--seed N   other choices; a failure names the seed that repeats it
NAME       only those with this in their name

Power cuts and full disks need root, for a file system of their own.";

/// Installs the tools where they are missing. Where that is not possible, the tests that want them say that they are skipped;
/// in CI it is an error.
pub(crate) fn setup(shell: &mut Shell) -> Result<()> {
    if TOOLS.iter().all(|(tool, probe)| shell.succeeds(shell.command(tool).arg(probe))) {
        return Ok(());
    }
    match toolchain::install_packages(shell, &PACKAGES) {
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("without {}, not every fault is tested: {error}", PACKAGES.join(" and "));
            Ok(())
        }
        outcome => outcome,
    }
}

/// Does the faults that are named, or all.
pub(crate) fn faults(shell: &mut Shell, args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    ci::build(shell)?;
    let tester = |shell: &Shell, test: &str| ci::tester(shell, &format!("test --locked --workspace --test {test} --"));
    shell.section("faults", |shell| shell.run(tester(shell, "faults")?.args(args)))?;
    let value = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
    let names_some = args.iter().any(|arg| !arg.starts_with('-') && Some(arg) != value("--seed"));
    if names_some || !args.iter().any(|arg| arg == "--full") {
        return Ok(());
    }
    shell.section("daemon under load", |shell| {
        let mut durable = tester(shell, "it")?;
        durable.args(["durable::", "--nocapture"]);
        durable
            .env("EXOCLAW_FAULTS", DAEMON_FAULTS)
            .env("EXOCLAW_CLIENTS", CLIENTS)
            .envs(value("--seed").map(|seed| ("EXOCLAW_SEED", seed)));
        shell.run(&mut durable)
    })
}
