//! What must be true of the journals when all messages are answered.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
};

use exoclaw_protocol::{Decision, Effect, FailureKind, RunId};
use exoclaw_store::{Entry, MemoryStore, Page, Record, RunOutcome, Store};
use futures::FutureExt;

use super::client::Client;
use crate::support::record_name;

/// Each message that was acknowledged is there, once, and has one run with one end; each call that was begun has one result,
/// and nothing took place that was not begun; no effect of tools that may run once took place twice, and where it is not
/// known whether it did, that is said. Tells the story without what is random in it.
pub(super) fn journals(store: &MemoryStore, clients: &[Client], effects: &HashMap<String, u32>, asks: bool) -> String {
    let (mut story, mut keys) = (String::new(), HashSet::new());
    for client in clients {
        let session = format!("agent:main:{}", client.session).parse().unwrap();
        let page = Page { entries: u32::MAX, bytes: u64::MAX };
        let entries = store.read(&session, 0, page).now_or_never().expect("memory does not wait").unwrap();
        journal(&entries, &client.acknowledged, effects, &mut story);
        if asks {
            approvals(&entries);
        }
        keys.extend(entries.into_iter().filter_map(|entry| match entry.record {
            Record::Intent { key, .. } => Some(key),
            _ => None,
        }));
    }
    let unheard: Vec<_> = effects.keys().filter(|key| !keys.contains(*key)).collect();
    assert!(unheard.is_empty(), "effects of which no journal knows: {unheard:?}");
    let open = store.open_runs().now_or_never().expect("memory does not wait").unwrap();
    assert!(open.is_empty(), "runs are open: {open:?}");
    story
}

/// What may run once is begun after it was allowed, with the arguments that were, and not when it was denied.
fn approvals(entries: &[Entry]) {
    let (mut asked, mut decided) = (HashSet::new(), HashMap::new());
    for Entry { record, .. } in entries {
        let Some(run_id) = record.run_id().cloned() else { continue };
        match record {
            Record::ApprovalRequested { step, call_id, digest, .. } => {
                assert!(asked.insert((run_id, *step, call_id.clone(), digest.clone())), "asked twice");
            }
            Record::ApprovalResolved { step, call_id, digest, decision, .. } => {
                let place = (run_id, *step, call_id.clone());
                let (run_id, step, call_id) = place.clone();
                assert!(asked.contains(&(run_id, step, call_id, digest.clone())), "answered before it was asked");
                assert!(decided.insert(place, (*decision, digest.clone())).is_none(), "answered twice");
            }
            Record::Intent { step, call_id, tool, digest, .. } if tool == "guest__once" => {
                let allowed = decided.get(&(run_id, *step, call_id.clone()));
                assert_eq!(allowed, Some(&(Decision::Allowed, digest.clone())), "begun without approval: {record:?}");
            }
            _ => {}
        }
    }
}

fn journal(
    entries: &[Entry],
    acknowledged: &BTreeMap<String, RunId>,
    effects: &HashMap<String, u32>,
    story: &mut String,
) {
    let mut accepted = BTreeMap::new();
    let (mut ended, mut intents, mut results) = (HashSet::new(), HashMap::new(), HashMap::new());
    for Entry { record, .. } in entries {
        let Some(run_id) = record.run_id() else { continue };
        let number = acknowledged.values().position(|run| run == run_id);
        write!(story, "{} {number:?} ", record_name(record)).unwrap();
        assert!(!ended.contains(run_id), "a record after the end of its run: {record:?}");
        match record {
            Record::Accepted { message, .. } => {
                assert_eq!(accepted.insert(message.text(), run_id.clone()), None, "accepted twice");
            }
            Record::Intent { step, call_id, effect, key, .. } => {
                let begun = (run_id.clone(), *step, call_id.clone());
                assert!(intents.insert(begun, (*effect, key)).is_none(), "two intents of one call");
                write!(story, "{call_id} {effect:?}").unwrap();
            }
            Record::ToolResult { step, call_id, output, .. } => {
                let place = (run_id.clone(), *step, call_id.clone());
                assert!(results.insert(place, output).is_none(), "two results of one call");
                write!(story, "{call_id} {:?}", output.failure).unwrap();
            }
            Record::Step { content, .. } => write!(story, "{content:?}").unwrap(),
            Record::RunEnded { outcome, .. } => {
                assert!(ended.insert(run_id.clone()));
                let code = matches!(outcome, RunOutcome::Failed { .. });
                write!(story, "failed: {code}").unwrap();
            }
            _ => {}
        }
        story.push('\n');
    }
    assert_eq!(accepted, *acknowledged, "what was acknowledged is not what is there");
    assert_eq!(ended.len(), accepted.len(), "a run has no end");
    for (place, (effect, key)) in intents {
        let times = effects.get(key).copied().unwrap_or(0);
        let output = results.get(&place).unwrap_or_else(|| panic!("a call that was begun has no result: {place:?}"));
        assert!(effect < Effect::Once || times <= 1, "an effect took place {times} times: {place:?}");
        let kept = output.failure.is_none();
        assert!(!kept || times >= 1, "a tool gave something back and did nothing: {place:?}");
        let is_unknown = output.failure == Some(FailureKind::OutcomeUnknown);
        assert!(!is_unknown || effect >= Effect::Idempotent, "nothing is unknown of {place:?}");
    }
}
