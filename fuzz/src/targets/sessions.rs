//! Keys and names of sessions, agents, tokens and plugins.

use std::{fmt::Display, str::FromStr};

use exoclaw_protocol::{AgentId, PluginName, SessionKey, SessionRef, TokenName, ToolName};

/// What is taken is written as it was read, and is taken again.
pub(crate) fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    again::<SessionKey>(text);
    again::<SessionRef>(text);
    again::<AgentId>(text);
    again::<PluginName>(text);
    again::<ToolName>(text);
    again::<TokenName>(text);
}

#[track_caller]
fn again<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(read) = T::from_str(text) else { return };
    let written = read.to_string();
    assert!(T::from_str(&written).is_ok_and(|again| again == read), "{text:?} was written as {written:?}");
}
