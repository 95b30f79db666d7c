//! Folds of journal entries.

use exoclaw_protocol::{Block, ErrorCode, HistoryMessage, Message, Role, RunId};
use exoclaw_store::{Entry, Record, RunOutcome};

/// The messages of a session in the order of its journal.
///
/// Results of one model step's tools are one message of the user, numbered by the first of them. A run that did not end
/// well marks its last message; what its model had said by then is a message of its own.
pub(crate) fn messages(entries: impl IntoIterator<Item = Entry>) -> Vec<HistoryMessage> {
    let mut messages: Vec<HistoryMessage> = Vec::new();
    for Entry { seq, at_ms, record } in entries {
        let run_id = record.run_id().clone();
        let (role, content, interrupted) = match record {
            Record::Accepted { message, .. } => (message.role, message.content, None),
            Record::Step { content, .. } => (Role::Assistant, content, None),
            Record::ToolResult { call_id, output, .. } => {
                let result = Block::ToolResult { id: call_id, content: output.content, is_error: output.is_error };
                match last_of(&mut messages, &run_id) {
                    Some(last) if is_results(last) => {
                        last.content.push(result);
                        continue;
                    }
                    _ => (Role::User, vec![result], None),
                }
            }
            Record::RunEnded { outcome: RunOutcome::Ok, .. } => continue,
            Record::RunEnded { outcome: RunOutcome::Aborted { text }, .. }
                if !text.is_empty() && !ends_with_step(&messages, &run_id) =>
            {
                (Role::Assistant, vec![Block::Text { text }], Some(ErrorCode::Interrupted))
            }
            Record::RunEnded { outcome, .. } => {
                if let Some(last) = last_of(&mut messages, &run_id) {
                    last.interrupted = Some(match outcome {
                        RunOutcome::Failed { code, .. } => code,
                        _ => ErrorCode::Interrupted,
                    });
                }
                continue;
            }
            _ => continue,
        };
        messages.push(HistoryMessage { seq, run_id, at_ms, role, content, interrupted });
    }
    messages
}

/// What the model is told when it answers `run_id`: the runs before it, each whole, in the order of their messages, and
/// then the message itself. Runs whose own message lies outside of the entries are left out.
pub(crate) fn conversation(entries: Vec<Entry>, run_id: &RunId) -> Vec<Message> {
    let mut runs: Vec<(RunId, Vec<HistoryMessage>)> = Vec::new();
    for message in messages(entries) {
        match runs.iter_mut().find(|(id, _)| *id == message.run_id) {
            Some((_, run)) => run.push(message),
            None => runs.push((message.run_id.clone(), vec![message])),
        }
    }
    let last = runs.iter().position(|(id, _)| id == run_id).map_or(runs.len(), |position| position + 1);
    runs.truncate(last);
    let whole =
        |run: &Vec<HistoryMessage>| run.first().is_some_and(|first| first.role == Role::User && !is_results(first));
    let runs = runs.into_iter().map(|(_, run)| run).filter(whole);
    runs.flatten().map(|message| Message { role: message.role, content: message.content }).collect()
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
