//! Hostile guests, and what a sandbox makes of them.
//!
//! Each [`Case`] tries one thing that it was not granted, or more than its limits. Beside it stands its control: the same
//! attack under a grant or limit wide enough, which has to succeed, so that a case can't pass by trying nothing. Everything
//! happens on a [`Ground`] of its own: a folder with something to steal, and a web server that nobody may reach.

mod case;
mod damage;
mod files;
mod ground;
mod limits;
mod network;
mod run;

pub use case::Case;
pub use ground::Ground;
pub use run::{Range, Verdict};

/// Every case, in the order in which they are told.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [files::CASES, network::CASES, limits::CASES, damage::CASES].into_iter().flatten()
}

/// The components of the guests, without manifests, by name.
static GUESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));
