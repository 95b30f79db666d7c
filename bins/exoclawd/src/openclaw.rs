//! What an OpenClaw keeps in files, in the layout of early 2026 (version 3 of its protocol): `agents/AGENT/sessions/` with
//! `sessions.json` and a transcript in JSON Lines for each session, and `clawdbot.json` or `openclaw.json` with its config.
//!
//! The folder is only read, and nothing in it is believed: names lead nowhere else, every size has a bound, and what is broken
//! is named or counted and never keeps the rest from being read.

mod content;
mod folder;
mod left;
mod proposal;
mod secrets;
mod sessions;
mod settings;
mod transcript;

pub(crate) use folder::{Folder, FolderError};
pub(crate) use left::Left;
pub(crate) use proposal::propose;
pub(crate) use secrets::secrets;
pub(crate) use sessions::{FoundSession, sessions};
pub(crate) use settings::settings;
pub(crate) use transcript::Transcript;
