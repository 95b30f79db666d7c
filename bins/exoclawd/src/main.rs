//! The exoclaw daemon and its command line. Everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    exoclawd::main(std::env::args_os(), exoclawd::Env::of_process())
}
