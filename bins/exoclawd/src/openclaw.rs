//! What an OpenClaw keeps in files, in the layout of early 2026 (version 3 of its protocol): `agents/AGENT/sessions/` with
//! `sessions.json` and a transcript in JSON Lines for each session.
//!
//! The folder is only read, and nothing in it is believed: names lead nowhere else, every size has a bound, and what is broken
//! is named or counted and never keeps the rest from being read.

mod content;
mod folder;
mod left;
mod sessions;
mod transcript;

pub(crate) use folder::{Folder, FolderError};
pub(crate) use left::Left;
pub(crate) use sessions::{FoundSession, sessions};
pub(crate) use transcript::Transcript;
