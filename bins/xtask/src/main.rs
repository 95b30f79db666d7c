//! What is done to the project: set-up, builds, checks. `cargo xtask help` lists it.
//!
//! Without dependencies, so that it starts in a second on a fresh machine. Every step is idempotent and installs what it
//! needs: targets and components through rustup, tools of its own under `target/tools`, a browser and what does faults through
//! the system.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "it talks to the person who runs it")]

mod browser;
mod ci;
mod clients;
mod conformance;
mod deny;
mod faults;
mod plugins;
mod python;
mod shell;
mod toolchain;
mod up;

use std::process::ExitCode;

use shell::{Result, Shell};

const HELP: &str = "\
cargo xtask up [ARGS]      build everything and start the daemon; ARGS go to `exoclawd gateway`
cargo xtask test [ARGS]    build everything and run all tests; ARGS go to `cargo test`
cargo xtask ci [GATE…]     the other gates, or those that are named
cargo xtask setup          only make the machine ready
cargo xtask plugins        only build the example plugins in Rust into target/plugins
cargo xtask languages      examples and new projects in Rust, JavaScript and Python, with npm and pip
cargo xtask clients        programs of others, such as OpenClaw's and OpenAI's, as clients of the daemon, with npm and pip
cargo xtask faults [ARGS]  kills, power cuts, failing disks; --help says more
cargo xtask fuzz [ARGS]    mutated inputs for every decoder of outside bytes: --seconds N, --seed N, TARGET…
cargo xtask conformance    Autobahn's cases against the WebSocket stack, with pip
cargo xtask page           measure the page, and take the pictures that the README shows
cargo xtask coverage       all tests, with a floor for the lines they reach
cargo xtask bench [WHAT]   measure a release build: serving, gateway, or these and each crate's hot paths";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = Shell::new().and_then(|mut shell| {
        let outcome = run(&mut shell, &command, &rest);
        shell.report();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(shell: &mut Shell, command: &str, args: &[String]) -> Result<()> {
    match command {
        "up" => up::up(shell, args),
        "test" => ci::test(shell, args),
        "ci" => ci::ci(shell, args),
        "setup" => shell.section("setup", toolchain::setup),
        "plugins" => up::plugins(shell),
        "languages" => ci::languages(shell, args),
        "clients" => clients::clients(shell, args),
        "faults" => faults::faults(shell, args),
        "fuzz" => ci::fuzz(shell, args),
        "conformance" => shell.section("conformance", conformance::conformance),
        "page" => browser::page(shell),
        "coverage" => ci::coverage(shell),
        "bench" => ci::bench(shell, args),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no {other:?}; choose one of\n{HELP}").into()),
    }
}
