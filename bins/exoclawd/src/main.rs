//! The exoclaw daemon and its command line.
fn main() {}
