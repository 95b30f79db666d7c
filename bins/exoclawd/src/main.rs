//! The exoclaw daemon and its command line. Everything is in the library beside it.

use std::process::ExitCode;

/// Gives memory back after a peak, and is quicker than most systems' own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exoclawd::main(std::env::args_os(), exoclawd::Env::of_process())
}
