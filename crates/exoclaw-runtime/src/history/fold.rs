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
        let run_id = record.run_id();
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
            Record::RunEnded { outcome: RunOutcome::Ok, .. } => continue,
            Record::RunEnded { outcome: RunOutcome::Aborted { text }, .. }
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
        messages.push(HistoryMessage { seq: *seq, run_id: run_id.clone(), at_ms: *at_ms, role, content, interrupted });
    }
    messages
}

/// What the model is told when it answers `run_id`: the runs before it, each whole, in the order of their messages, and
/// then the message itself. Runs whose own message lies outside of the entries are left out.
pub(crate) fn conversation<'a>(entries: impl IntoIterator<Item = &'a Entry>, run_id: &RunId) -> Vec<Message> {
    let mut runs: Vec<Vec<HistoryMessage>> = Vec::new();
    let mut places: HashMap<RunId, usize> = HashMap::new();
    for message in messages(entries) {
        match places.get(&message.run_id) {
            Some(&place) => runs[place].push(message),
            None => {
                places.insert(message.run_id.clone(), runs.len());
                runs.push(vec![message]);
            }
        }
    }
    runs.truncate(places.get(run_id).map_or(runs.len(), |place| place + 1));
    let whole =
        |run: &Vec<HistoryMessage>| run.first().is_some_and(|first| first.role == Role::User && !is_results(first));
    let told = runs.into_iter().filter(whole).flatten();
    told.map(|message| Message { role: message.role, content: message.content }).collect()
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
