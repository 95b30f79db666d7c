//! What is done to the project: set-up, builds, checks.
fn main() {}
