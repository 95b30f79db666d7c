//! Folds of journal entries.

use std::collections::HashMap;

use exoclaw_protocol::{Block, ErrorCode, HistoryMessage, Message, Role, RunId};
use exoclaw_store::{Entry, Record, RunOutcome};

/// The messages of a session in the order of its journal.
///
/// Results of one model step's tools are one message of the user, numbered by the first of them. A run that did not end
/// well marks its last message; what its model had said by then is a message of its own.
pub(crate) fn messages<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<HistoryMessage> {
    let mut messages: Vec<HistoryMessage> = Vec::new();
    for Entry { seq, at_ms, record } in entries {
        let Some(run_id) = record.run_id() else { continue };
        let mut note = false;
        let (role, content, interrupted) = match record {
            Record::Accepted { message, .. } => (message.role, message.content.clone(), None),
            Record::Step { content, .. } => (Role::Assistant, content.clone(), None),
            Record::ToolResult { call_id, output, .. } => {
                let (id, content) = (call_id.clone(), output.content.clone());
                let result = Block::ToolResult { id, content, is_error: output.is_error };
                match last_of(&mut messages, run_id) {
                    Some(last) if is_results(last) => {
                        last.content.push(result);
                        continue;
                    }
                    _ => (Role::User, vec![result], None),
                }
            }
            Record::Noted { message, .. } => {
                note = true;
                (message.role, message.content.clone(), None)
            }
            Record::RunEnded { outcome: RunOutcome::Ok | RunOutcome::Joined { .. }, .. } => continue,
            Record::RunEnded { outcome: RunOutcome::Aborted { text, .. }, .. }
                if !text.is_empty() && !ends_with_step(&messages, run_id) =>
            {
                (Role::Assistant, vec![Block::Text { text: text.clone() }], Some(ErrorCode::Interrupted))
            }
            Record::RunEnded { outcome, .. } => {
                if let Some(last) = last_of(&mut messages, run_id) {
                    last.interrupted = Some(match outcome {
                        RunOutcome::Failed { code, .. } => *code,
                        _ => ErrorCode::Interrupted,
                    });
                }
                continue;
            }
            _ => continue,
        };
        let (seq, run_id, at_ms) = (*seq, run_id.clone(), *at_ms);
        messages.push(HistoryMessage { seq, run_id, at_ms, role, content, interrupted, note, summary: false });
    }
    messages
}

/// What the model is told when it answers `run_id`: the runs before it, each whole, in the order of their messages, and
/// then the message itself. A message that a run was told while it was under way stands where it was told. Runs whose own
/// message lies outside of the entries are left out.
pub(super) fn conversation<'a>(entries: impl IntoIterator<Item = &'a Entry> + Clone, run_id: &RunId) -> Vec<Message> {
    let steered = steered(entries.clone());
    let mut runs: Vec<Vec<HistoryMessage>> = Vec::new();
    let mut places: HashMap<RunId, usize> = HashMap::new();
    for mut message in messages(entries) {
        if let Some((into, at)) = steered.get(&message.run_id)
            && places.contains_key(into)
        {
            (message.run_id, message.seq) = (into.clone(), *at);
        }
        match places.get(&message.run_id) {
            Some(&place) => runs[place].push(message),
            None => {
                places.insert(message.run_id.clone(), runs.len());
                runs.push(vec![message]);
            }
        }
    }
    runs.truncate(places.get(run_id).map_or(runs.len(), |place| place + 1));
    if !steered.is_empty() {
        runs.iter_mut().for_each(|run| run.sort_by_key(|message| message.seq));
    }
    let told = runs.into_iter().filter(|run| is_whole(run)).flatten();
    told.map(|message| Message { role: message.role, content: said(message) }).collect()
}

/// Runs whose messages were told to another one that was under way: that one, and the number of the record which says so.
fn steered<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> HashMap<RunId, (RunId, u64)> {
    let steered = |entry: &Entry| match &entry.record {
        Record::RunEnded { run_id, outcome: RunOutcome::Joined { into, step: Some(_) } } => {
            Some((run_id.clone(), (into.clone(), entry.seq)))
        }
        _ => None,
    };
    entries.into_iter().filter_map(steered).collect()
}

/// Nothing is missing at its start.
pub(super) fn is_whole(run: &[HistoryMessage]) -> bool {
    run.first().is_some_and(|first| first.note || (first.role == Role::User && !is_results(first)))
}

/// What stands for the messages that left the conversation, as people see it: in the place of the last of them.
pub(super) fn summary(entry: &Entry) -> Option<HistoryMessage> {
    let Entry { at_ms, record: Record::Summarized { run_id, before, text, .. }, .. } = entry else { return None };
    Some(HistoryMessage {
        seq: before.saturating_sub(1),
        run_id: run_id.clone(),
        at_ms: *at_ms,
        role: Role::Assistant,
        content: vec![Block::text(text)],
        interrupted: None,
        note: false,
        summary: true,
    })
}

/// The same, as the model is told of it.
pub(super) fn summary_told(summary: HistoryMessage) -> Message {
    let mut content = vec![Block::text("(A summary of what was said before, which the user did not write:)")];
    content.extend(summary.content);
    Message { role: Role::User, content }
}

/// A note on the user's side is not taken for the user's own words.
fn said(message: HistoryMessage) -> Vec<Block> {
    let mut content = message.content;
    if message.note && message.role == Role::User {
        content.insert(0, Block::text("(A note, which the user did not write:)"));
    }
    content
}

fn last_of<'a>(messages: &'a mut [HistoryMessage], run_id: &RunId) -> Option<&'a mut HistoryMessage> {
    messages.iter_mut().rev().find(|message| message.run_id == *run_id)
}

/// The last step of the run is whole: text that was heard when the run was stopped is of that same step.
fn ends_with_step(messages: &[HistoryMessage], run_id: &RunId) -> bool {
    let last = messages.iter().rev().find(|message| message.run_id == *run_id);
    last.is_some_and(|last| last.role == Role::Assistant)
}

fn is_results(message: &HistoryMessage) -> bool {
    matches!(message.content.first(), Some(Block::ToolResult { .. }))
}
