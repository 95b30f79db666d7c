//! What things are called on the page.

use exoclaw_client::State as Link;
use exoclaw_protocol::{FailureKind, Metering, SessionInfo, SessionKey, SessionRef};

use crate::{
    browser,
    state::{Part, Progress, State, ToolState, Turn},
};

/// Characters of a message that name its conversation.
const TITLE_CHARS: usize = 48;

/// Characters of an answer that are read aloud.
const SPOKEN_CHARS: usize = 600;

/// The title of the session that is shown.
pub(crate) fn open_title(state: &State) -> String {
    let asked = state.conversation.turns.first().map(|turn| first_words(&turn.question, TITLE_CHARS));
    let asked = asked.filter(|words| !words.is_empty());
    let key = match (&state.conversation.session, &state.open) {
        (Some(key), _) | (None, SessionRef::Key(key)) => key,
        (None, SessionRef::Name(name)) if name.starts_with(WEB) => return asked.unwrap_or_else(|| NEW.to_owned()),
        (None, SessionRef::Name(name)) => return capital(name),
    };
    if is_web(key) { asked.unwrap_or_else(|| NEW.to_owned()) } else { name_of(key) }
}

/// The agent of the session that is shown, with its model.
pub(crate) fn open_agent(state: &State) -> String {
    let Some(daemon) = &state.daemon else { return String::new() };
    let named = match (&state.conversation.session, &state.open) {
        (Some(key), _) | (None, SessionRef::Key(key)) => Some(key.agent()),
        (None, SessionRef::Name(_)) => None,
    };
    let is_it = |id: &str, default: bool| named.map_or(default, |named| id == named);
    let agent = daemon.agents.iter().find(|agent| is_it(agent.id.as_str(), agent.default));
    agent.map(|agent| format!("{} · {}", agent.id, agent.model)).unwrap_or_default()
}

/// What a session is called in the list.
pub(crate) fn title_of(session: &SessionInfo) -> String {
    if is_web(&session.session) {
        format!("Chat of {}", browser::moment(session.created_ms))
    } else {
        name_of(&session.session)
    }
}

/// How much was said in a session, and by which agent where there are several.
pub(crate) fn detail_of(session: &SessionInfo, several_agents: bool) -> String {
    let messages = match session.messages {
        1 => "1 message".to_owned(),
        many => format!("{many} messages"),
    };
    if several_agents { format!("{} · {messages}", session.agent) } else { messages }
}

/// What conversations are called that were begun in a browser.
const WEB: &str = "web-";
const NEW: &str = "New conversation";

fn is_web(session: &SessionKey) -> bool {
    session.tail().starts_with(WEB)
}

fn name_of(session: &SessionKey) -> String {
    capital(&session.segments().collect::<Vec<_>>().join(" · "))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// The start of a text, in whole words where they are short enough.
pub(crate) fn first_words(text: &str, max: usize) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    let Some((end, _)) = line.char_indices().nth(max) else { return line };
    let end = line[..end].rfind(' ').filter(|space| *space > end / 2).unwrap_or(end);
    format!("{}…", &line[..end])
}

/// A time span as people say it.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
        _ => format!("{} min {} s", micros / 60_000_000, micros % 60_000_000 / 1_000_000),
    }
}

/// What a tool call cost beside time.
pub(crate) fn cost(metering: &Metering) -> String {
    let memory = metering.peak_memory / 1024;
    let calls = if metering.host_calls == 1 { "call" } else { "calls" };
    format!("{} fuel · {memory} KiB memory · {} host {calls}", thousands(metering.fuel), metering.host_calls)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// How a tool call stands, in a word or two.
pub(crate) fn tool_state(state: ToolState) -> &'static str {
    match state {
        ToolState::Running => "running",
        ToolState::Done => "done",
        ToolState::Stopped => "stopped",
        ToolState::Failed(None | Some(FailureKind::Failed)) => "failed",
        ToolState::Failed(Some(FailureKind::UnknownTool)) => "no such tool",
        ToolState::Failed(Some(FailureKind::InvalidArguments)) => "wrong arguments",
        ToolState::Failed(Some(FailureKind::Denied)) => "denied",
        ToolState::Failed(Some(FailureKind::Unavailable)) => "unavailable",
        ToolState::Failed(Some(FailureKind::Cancelled)) => "cancelled",
        ToolState::Failed(Some(FailureKind::TimedOut)) => "timed out",
        ToolState::Failed(Some(FailureKind::Exhausted)) => "over its limit",
        ToolState::Failed(Some(FailureKind::Crashed)) => "crashed",
        ToolState::Failed(Some(FailureKind::OutcomeUnknown)) => "outcome unknown",
    }
}

/// What is told about the connection, where there is something to tell.
pub(crate) fn link(link: &Link) -> Option<String> {
    match link {
        Link::Open | Link::Connecting => None,
        Link::Waiting { .. } => Some("The daemon is out of reach. Trying again…".to_owned()),
        Link::Closed { reason } => Some(format!("The connection is over: {reason}.")),
    }
}

/// What a screen reader says of the newest turn: that it goes on, and once how it ended.
pub(crate) fn spoken(turn: &Turn) -> String {
    match &turn.progress {
        Progress::Sending => String::new(),
        Progress::Queued | Progress::Running => "The agent is answering.".to_owned(),
        Progress::NotSent { why } => format!("Not sent: {why}"),
        Progress::Stopped => "Stopped.".to_owned(),
        Progress::Failed { why } => format!("The answer failed: {why}"),
        Progress::Done => match turn.parts.last().map(|part| &**part) {
            Some(Part::Text(text)) => first_words(text, SPOKEN_CHARS),
            _ => "The agent is done.".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{capital, duration, first_words, thousands};

    #[test]
    fn times_as_people_say_them() {
        for (micros, want) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (999_999, "999 ms"),
            (1_250_000, "1.2 s"),
            (59_999_999, "59.9 s"),
            (61_000_000, "1 min 1 s"),
        ] {
            assert_eq!(duration(micros), want);
        }
    }

    #[test]
    fn titles_end_at_a_word() {
        assert_eq!(first_words("  plan a\ntrip ", 48), "plan a trip");
        assert_eq!(first_words("plan a trip to Rome", 13), "plan a trip…");
        assert_eq!(first_words("日本語日本語", 3), "日本語…");
    }

    #[test]
    fn numbers_and_names() {
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(12), "12");
        assert_eq!(capital("élan"), "Élan");
    }
}
