//! The list of sessions that each agent has.

use std::collections::{BTreeMap, BTreeSet};

use exoclaw_protocol::{AgentId, SendPolicy, SessionKey, SessionSettings, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Folder, Left};

/// Largest `sessions.json`: a session takes some ten kilobytes there.
const LIST_BYTES: u64 = 256 * 1024 * 1024;

/// Files in the folder of one agent that are looked at.
const FILES: usize = 100_000;

/// Longest id of a session: with what is added it makes the ids of runs.
const ID_BYTES: usize = 48;

/// A session with a transcript that may be there.
#[derive(Debug)]
pub(crate) struct FoundSession {
    pub(crate) key: SessionKey,
    /// Its id there, which is plain.
    pub(crate) id: String,
    /// The transcript, below the folder.
    pub(crate) file: String,
    /// When it was last used, in milliseconds since 1970.
    pub(crate) updated_ms: u64,
    pub(crate) settings: SessionSettings,
}

/// A session as it stands in `sessions.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    session_id: String,
    #[serde(default)]
    updated_at: Option<serde_json::Number>,
    #[serde(default)]
    session_file: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    thinking_level: Option<String>,
    #[serde(default)]
    send_policy: Option<String>,
    #[serde(default)]
    model_override: Option<String>,
}

/// All sessions of the folder, the one that was used last at the end.
pub(crate) fn sessions(folder: &Folder, left: &mut Left) -> std::io::Result<Vec<FoundSession>> {
    let mut found = Vec::new();
    for name in folder.agents()? {
        match name.to_ascii_lowercase().parse() {
            Ok(agent) => of_agent(folder, &name, &agent, &mut found, left),
            Err(error) => left.name(&format!("agents/{name}"), format!("no agent can have this name: {error}")),
        }
    }
    found.sort_by(|one, other| (one.updated_ms, &one.key).cmp(&(other.updated_ms, &other.key)));
    // `main` and `agent:main:main` may both be there: the one that was used last is meant.
    let mut keys = BTreeSet::new();
    let mut kept = Vec::with_capacity(found.len());
    for session in found.into_iter().rev() {
        if keys.insert(session.key.clone()) {
            kept.push(session);
        } else {
            left.name(&session.file, format!("another transcript of {} was used later", session.key));
        }
    }
    kept.reverse();
    Ok(kept)
}

fn of_agent(folder: &Folder, name: &str, agent: &AgentId, found: &mut Vec<FoundSession>, left: &mut Left) {
    let below = format!("agents/{name}/sessions");
    let list = format!("{below}/sessions.json");
    let files = folder.names(&below, FILES);
    let bytes = match folder.read(&list, LIST_BYTES) {
        Ok(bytes) => bytes,
        Err(super::folder::FileError::Absent) if files.is_empty() => return,
        Err(error) => return left.name(&list, error.to_string()),
    };
    // Each by itself, so that a broken one harms no other.
    let listed: BTreeMap<String, &RawValue> = match serde_json::from_slice(&bytes) {
        Ok(listed) => listed,
        Err(error) => return left.name(&list, format!("it is no list of sessions: {error}")),
    };
    let mut used = BTreeSet::new();
    for (key, text) in listed {
        match session(&key, agent, text, left) {
            Ok((session, file)) => {
                found.push(FoundSession { file: format!("{below}/{file}"), ..session });
                used.insert(file);
            }
            Err(why) => left.name(&format!("{list}: {key}"), why),
        }
    }
    for file in files.iter().filter(|file| !used.contains(*file)) {
        if file.contains(".jsonl.") {
            left.count("transcripts that were deleted or shortened");
        } else if file.ends_with(".jsonl") {
            left.count("transcripts that no session has any more");
        }
    }
}

/// A session and the name of its transcript, or why it can't be taken.
fn session(key: &str, agent: &AgentId, text: &RawValue, left: &mut Left) -> Result<(FoundSession, String), String> {
    let listed: Listed = serde_json::from_str(text.get()).map_err(|error| format!("it can't be read: {error}"))?;
    let key = session_key(key, agent)?;
    let id = listed.session_id;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.is_empty() || id.len() > ID_BYTES || !id.bytes().all(is_plain) {
        let id: String = id.chars().take(ID_BYTES).collect();
        return Err(format!("its id {id:?} can't name a transcript"));
    }
    // The path is of the machine on which it was written: only the name counts.
    let file = match &listed.session_file {
        None => format!("{id}.jsonl"),
        Some(path) => path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
    };
    if !file.starts_with(&id) || !file.ends_with(".jsonl") || file.chars().any(char::is_control) {
        return Err(format!("the name of its transcript has to begin with its id {id} and to end with .jsonl"));
    }
    let mut settings = SessionSettings::default();
    match listed.label {
        Some(label) if label.is_empty() || label.len() > limits::LABEL_BYTES || label.chars().any(char::is_control) => {
            left.count("labels that are empty, too long, or hold control characters");
        }
        label => settings.label = label,
    }
    if let Some(level) = listed.thinking_level {
        settings.thinking = serde_json::from_value(level.into()).ok();
        if settings.thinking.is_none() {
            left.count("levels of thinking that are not known here");
        }
    }
    match listed.send_policy.as_deref() {
        Some("deny") => settings.send = SendPolicy::Deny,
        None | Some("allow") => {}
        Some(_) => left.count("send policies that are not known here"),
    }
    if listed.model_override.is_some() {
        left.count("models of single sessions: the agent's answers");
    }
    let updated_ms = listed.updated_at.and_then(|at| at.as_u64()).unwrap_or_default();
    Ok((FoundSession { key, id, file: String::new(), updated_ms, settings }, file))
}

/// The key here of a key there: `agent:A:…`, or a bare name of the agent whose list it stands in. A platform's id may hold
/// colons, which separate nothing then.
fn session_key(key: &str, agent: &AgentId) -> Result<SessionKey, String> {
    let wrong = |error: exoclaw_protocol::IdError| format!("no session can have this key: {error}");
    let (agent, tail) = match key.strip_prefix("agent:").and_then(|rest| rest.split_once(':')) {
        Some((named, tail)) => (named.to_ascii_lowercase().parse().map_err(wrong)?, tail),
        None => (agent.clone(), key),
    };
    let parts: Vec<&str> = tail.splitn(3, ':').collect();
    let segments = match parts.as_slice() {
        [channel, kind @ ("dm" | "group" | "channel"), rest] => match rest.rsplit_once(":thread:") {
            Some((id, thread)) => vec![*channel, *kind, id, "thread", thread],
            None => vec![*channel, *kind, *rest],
        },
        _ => tail.split(':').collect(),
    };
    SessionKey::new(&agent, segments).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::session_key;

    #[track_caller]
    fn check(there: &str, here: &str) {
        let key = session_key(there, &"ops".parse().unwrap()).map(|key| key.to_string());
        assert_eq!(key.as_deref(), Ok(here), "{there}");
    }

    #[test]
    fn keys_become_those_of_the_same_conversation_here() {
        check("main", "agent:ops:main");
        check("global", "agent:ops:global");
        check("agent:Main:main", "agent:main:main");
        check("agent:main:slack:dm:U12", "agent:main:slack:dm:U12");
        check("agent:main:whatsapp:group:12-3@g.us", "agent:main:whatsapp:group:12-3@g.us");
        check("agent:main:msteams:channel:19:ab@thread.tacv2", "agent:main:msteams:channel:19%3Aab@thread.tacv2");
        check("agent:main:slack:channel:C1:thread:17.4", "agent:main:slack:channel:C1:thread:17.4");
        check("agent:main:cron:9f/..", "agent:main:cron:9f%2F..");
    }

    #[test]
    fn keys_that_name_nothing_are_refused() {
        for key in ["", "agent:main:", "agent:a b:main", "agent::x", "agent:main:a::b"] {
            assert!(session_key(key, &"ops".parse().unwrap()).is_err(), "{key}");
        }
        assert!(session_key(&"x".repeat(3_000), &"ops".parse().unwrap()).is_err());
    }
}
