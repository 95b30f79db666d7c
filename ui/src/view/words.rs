//! What things are called on the page.

use exoclaw_client::State as Link;
use exoclaw_protocol::{BudgetInfo, Decision, Effect, FailureKind, Period, SessionInfo, SessionKey, SessionRef};

use crate::{
    browser,
    catalogue::t,
    format::{capital, first_words},
    state::{Notice, Part, Progress, State, ToolState, Turn},
};

/// Characters of a message that name its conversation.
const TITLE_CHARS: usize = 48;

/// Characters of an answer that are read aloud.
const SPOKEN_CHARS: usize = 600;

/// What conversations are called that were begun in a browser.
const WEB: &str = "web-";

/// The title of the session that is shown.
pub(crate) fn open_title(state: &State) -> String {
    if let Some(label) = open_info(state).and_then(|info| info.settings.label.clone()) {
        return label;
    }
    let asked = state.conversation.turns.first().map(|turn| first_words(&turn.question, TITLE_CHARS));
    let asked = asked.filter(|words| !words.is_empty());
    let listed = || open_info(state).and_then(|info| info.title.clone());
    let new = || asked.or_else(listed).unwrap_or_else(|| t().new_conversation.to_owned());
    match (state.open_key(), &state.open) {
        (None, SessionRef::Name(name)) if name.starts_with(WEB) => new(),
        (None, SessionRef::Name(name)) => capital(name),
        (Some(key), _) | (None, SessionRef::Key(key)) => {
            if is_web(key) {
                new()
            } else {
                name_of(key)
            }
        }
    }
}

/// What the list knows of the session that is shown.
pub(crate) fn open_info(state: &State) -> Option<&SessionInfo> {
    state.sessions.list.iter().find(|info| state.is_open(info))
}

/// The agent of the session that is shown, with its model.
pub(crate) fn open_agent(state: &State) -> String {
    let Some(daemon) = &state.daemon else { return String::new() };
    let named = state.open_key().map(SessionKey::agent);
    let is_it = |id: &str, default: bool| named.map_or(default, |named| id == named);
    let Some(agent) = daemon.agents.iter().find(|agent| is_it(agent.id.as_str(), agent.default)) else {
        return named.unwrap_or_default().to_owned();
    };
    let chosen = open_info(state).and_then(|info| info.settings.model.as_ref());
    format!("{} · {}", agent.id, chosen.unwrap_or(&agent.model))
}

/// What a session is called in the list.
pub(crate) fn title_of(session: &SessionInfo) -> String {
    if let Some(label) = &session.settings.label {
        return label.clone();
    }
    if !is_web(&session.session) {
        return name_of(&session.session);
    }
    let title = session.title.as_deref().map(|title| first_words(title, TITLE_CHARS));
    title.filter(|title| !title.is_empty()).unwrap_or_else(|| browser::moment(session.created_ms))
}

/// When it was used last, and by which agent where there are several.
pub(crate) fn detail_of(session: &SessionInfo, several_agents: bool) -> String {
    let when = browser::moment(session.updated_ms);
    if several_agents { format!("{} · {when}", session.agent) } else { when }
}

fn is_web(session: &SessionKey) -> bool {
    session.tail().starts_with(WEB)
}

fn name_of(session: &SessionKey) -> String {
    capital(&session.segments().collect::<Vec<_>>().join(" · "))
}

/// How a tool call stands, in a word or two.
pub(crate) fn tool_state(state: ToolState) -> &'static str {
    let t = t();
    match state {
        ToolState::Waiting => t.waiting,
        ToolState::Running => t.running,
        ToolState::Done => t.done,
        ToolState::Stopped => t.stopped_tool,
        ToolState::Failed(kind) => failure(kind),
    }
}

/// Why a call failed, in a word or two.
pub(crate) fn failure(kind: Option<FailureKind>) -> &'static str {
    let t = t();
    match kind {
        None | Some(FailureKind::Failed) => t.failed,
        Some(FailureKind::UnknownTool) => t.unknown_tool,
        Some(FailureKind::InvalidArguments) => t.wrong_arguments,
        Some(FailureKind::Denied) => t.denied,
        Some(FailureKind::Unavailable) => t.unavailable,
        Some(FailureKind::Cancelled) => t.cancelled,
        Some(FailureKind::TimedOut) => t.timed_out,
        Some(FailureKind::Exhausted) => t.exhausted,
        Some(FailureKind::Crashed) => t.crashed,
        Some(FailureKind::OutcomeUnknown) => t.outcome_unknown,
    }
}

/// What a tool does to the world.
pub(crate) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Pure => t().effect_pure,
        Effect::Read => t().effect_read,
        Effect::Idempotent => t().effect_idempotent,
        Effect::Once => t().effect_once,
    }
}

/// What became of a question whether a call may be made.
pub(crate) fn decision(decision: Decision, by: Option<&str>) -> String {
    let who = by.unwrap_or(t().someone);
    match decision {
        Decision::Allowed => (t().allowed_by)(who),
        Decision::Denied => (t().denied_by)(who),
        Decision::Expired => t().expired.to_owned(),
    }
}

/// Whose a budget is, and what time it is for.
pub(crate) fn budget(budget: &BudgetInfo) -> String {
    let of = match budget.of.split_once(' ') {
        Some(("agent", name)) => (t().budget_agent)(name),
        Some(("credential", name)) => (t().budget_credential)(name),
        _ => t().budget_all.to_owned(),
    };
    let period = match budget.period {
        Period::Session => t().per_session,
        Period::Day => t().per_day,
        Period::Month => t().per_month,
    };
    format!("{of}, {period}")
}

/// What is told about the connection, where there is something to tell.
pub(crate) fn link(link: &Link) -> Option<String> {
    match link {
        Link::Open | Link::Connecting => None,
        Link::Waiting { .. } => Some(t().out_of_reach.to_owned()),
        Link::Closed { reason } => Some((t().connection_over)(&reason.to_string())),
    }
}

/// What failed.
pub(crate) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::List(why) => (t().failed_list)(why),
        Notice::Status(why) => (t().failed_status)(why),
        Notice::Stop(why) => (t().failed_stop)(why),
        Notice::Change(why) => (t().failed_change)(why),
        Notice::Earlier(why) => (t().failed_earlier)(why),
    }
}

/// What a screen reader says of the newest turn: that it goes on, what it waits for, and once how it ended.
pub(crate) fn spoken(turn: &Turn) -> String {
    if let Some(tool) = turn.tools().find(|tool| tool.state == ToolState::Waiting) {
        return (t().waits_for_you)(&tool.name);
    }
    match &turn.progress {
        Progress::Sending => String::new(),
        Progress::Queued | Progress::Running => t().is_answering.to_owned(),
        Progress::NotSent { why } => (t().not_sent)(why),
        Progress::Stopped => t().stopped.to_owned(),
        Progress::Failed { why } => (t().answer_failed)(why),
        Progress::Done => match turn.parts.last().map(|part| &**part) {
            Some(Part::Text(text)) => first_words(text, SPOKEN_CHARS),
            _ => t().is_done.to_owned(),
        },
    }
}
