//! Taking up a turn where its last record stands: the table of effects.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use exoclaw_agent::{
    Invocation, ModelStep, RecordedStep, ToolReturn, Tools, Turn, TurnEvent,
    test_util::{Answer, Script, ScriptedProvider},
};
use exoclaw_protocol::{
    Block, CallId, Effect, FailureKind, Message, Metering, Reconciled, Role, StopReason, ToolCall, ToolContent,
    ToolOutput, ToolSpec, Usage,
};
use futures::future::BoxFuture;
use serde_json::json;

use crate::tools::{Log, run};

const EFFECTS: [(&str, Effect); 4] =
    [("pure", Effect::Pure), ("read", Effect::Read), ("idempotent", Effect::Idempotent), ("once", Effect::Once)];

/// One tool for each effect, named for it, that remembers its calls.
#[derive(Debug)]
struct Counted {
    calls: Mutex<Vec<String>>,
    reconciled: Reconciled,
}

impl Tools for Counted {
    fn specs(&self) -> Arc<[ToolSpec]> {
        let spec = |(name, effect): (&str, Effect)| ToolSpec {
            name: name.to_owned(),
            description: name.to_owned(),
            input_schema: json!({ "type": "object" }),
            effect,
        };
        EFFECTS.into_iter().map(spec).collect()
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'_, ToolReturn> {
        self.calls.lock().unwrap().push(invocation.call.name);
        Box::pin(async { ToolReturn { output: ToolOutput::text("ran"), metering: Metering::default() } })
    }

    fn reconcile(&self, _: u32, call: ToolCall) -> BoxFuture<'_, Reconciled> {
        self.calls.lock().unwrap().push(format!("reconcile {}", call.name));
        let reconciled = self.reconciled.clone();
        Box::pin(async { reconciled })
    }
}

fn id(id: &str) -> CallId {
    id.parse().unwrap()
}

fn step(tools: &[&str]) -> RecordedStep {
    let call = |name: &&str| Block::ToolCall { id: id(name), name: (*name).to_owned(), input: json!({}) };
    RecordedStep::new(ModelStep {
        content: tools.iter().map(call).collect(),
        stop_reason: StopReason::ToolUse,
        usage: Usage { input_tokens: 10, output_tokens: 1, ..Usage::default() },
    })
}

fn returned(text: &str) -> ToolReturn {
    ToolReturn { output: ToolOutput::text(text), metering: Metering::default() }
}

/// What the model was told of each call, in the request after the recorded step.
fn results(script: &Script) -> Vec<String> {
    let requests = script.requests();
    let last = requests.last().unwrap().messages.last().unwrap().clone();
    assert_eq!(last.role, Role::User);
    let result = |block: &Block| match block {
        Block::ToolResult { id, content, is_error, .. } => {
            let [ToolContent::Text { text }] = content.as_slice() else { panic!("{content:?}") };
            format!("{id}: {}", if *is_error { "unknown" } else { text })
        }
        other => panic!("{other:?}"),
    };
    last.content.iter().map(result).collect()
}

struct Resumed {
    calls: Vec<String>,
    records: Vec<String>,
    events: Vec<TurnEvent>,
    script: Script,
    usage: Usage,
}

async fn resume(recorded: Vec<RecordedStep>, reconciled: Reconciled) -> Resumed {
    let (provider, script) = ScriptedProvider::new();
    script.answer(Answer::text(["done"]).usage(5, 5));
    let (tools, log) = (Arc::new(Counted { calls: Mutex::default(), reconciled }), Arc::new(Log::default()));
    let turn = Turn { tools: tools.clone(), recorder: log.clone(), recorded, ..Turn::new(provider, "model") };
    let (end, events) = run(turn, "hi").await;
    let end = end.unwrap();
    assert_eq!(end.message, Message::assistant(vec![Block::text("done")]));
    // They run side by side.
    let mut calls = tools.calls.lock().unwrap().clone();
    calls.sort();
    Resumed { calls, records: log.lines(), events, script, usage: end.usage }
}

#[tokio::test]
async fn what_is_recorded_is_neither_asked_for_nor_run_again() {
    let first = RecordedStep { results: HashMap::from([(id("once"), returned("before"))]), ..step(&["once"]) };
    let resumed = resume(vec![first], Reconciled::Unknown).await;
    assert!(resumed.calls.is_empty(), "{:?}", resumed.calls);
    assert_eq!(resumed.records, ["record step 1"]);
    assert_eq!(results(&resumed.script), ["once: before"]);
    assert_eq!(resumed.script.requests().len(), 1);
    assert!(matches!(resumed.events.as_slice(), [TurnEvent::Text(_), TurnEvent::StepEnded { .. }]));
    assert_eq!(resumed.usage, Usage { input_tokens: 15, output_tokens: 6, ..Usage::default() });
}

#[tokio::test]
async fn a_turn_whose_answer_is_recorded_asks_nobody() {
    let (provider, script) = ScriptedProvider::new();
    let content = vec![Block::text("all said")];
    let answer = ModelStep { content: content.clone(), stop_reason: StopReason::EndTurn, usage: Usage::default() };
    let turn = Turn { recorded: vec![RecordedStep::new(answer)], ..Turn::new(provider, "model") };
    let (end, events) = run(turn, "hi").await;
    assert_eq!(end.unwrap().message, Message::assistant(content));
    assert!(events.is_empty() && script.requests().is_empty());
}

/// One intent without a result for each effect, and calls that had not begun.
#[tokio::test]
async fn what_was_cut_off_is_run_again_only_where_that_changes_nothing() {
    let names = ["pure", "read", "idempotent", "once"];
    let begun = RecordedStep {
        intents: EFFECTS.into_iter().map(|(name, effect)| (id(name), effect)).collect(),
        ..step(&names)
    };
    let resumed = resume(vec![begun], Reconciled::Unknown).await;
    assert_eq!(resumed.calls, ["idempotent", "pure", "read", "reconcile once"]);
    assert_eq!(results(&resumed.script), ["pure: ran", "read: ran", "idempotent: ran", "once: unknown"]);
    let told = resumed.events.iter().filter(|event| {
        matches!(event, TurnEvent::ToolFinished { output, .. } if output.failure == Some(FailureKind::OutcomeUnknown))
    });
    assert_eq!(told.count(), 1);
    assert!(resumed.records.contains(&"record result once error".to_owned()), "{:?}", resumed.records);
    assert!(!resumed.records.iter().any(|line| line.starts_with("record intent")), "{:?}", resumed.records);

    let resumed = resume(vec![step(&names)], Reconciled::Unknown).await;
    assert_eq!(resumed.calls, ["idempotent", "once", "pure", "read"]);
    let mut intents: Vec<_> = resumed.records.iter().filter(|line| line.starts_with("record intent")).collect();
    intents.sort();
    assert_eq!(intents, ["record intent idempotent", "record intent once"]);
}

#[tokio::test]
async fn a_tool_that_knows_what_happened_decides() {
    let begun = || RecordedStep { intents: HashMap::from([(id("once"), Effect::Once)]), ..step(&["once"]) };
    let happened = resume(vec![begun()], Reconciled::Happened(ToolOutput::text("took place"))).await;
    assert_eq!(
        (happened.calls, results(&happened.script)),
        (vec!["reconcile once".to_owned()], vec!["once: took place".to_owned()])
    );
    let not = resume(vec![begun()], Reconciled::NotHappened).await;
    assert_eq!(
        (not.calls.join(", "), results(&not.script)),
        ("once, reconcile once".to_owned(), vec!["once: ran".to_owned()])
    );
}

/// Between crash and restart a plugin may change what it declares, or go.
#[tokio::test]
async fn the_stricter_effect_counts_and_a_tool_that_is_gone_leaves_its_calls_unknown() {
    for (tool, begun_as, expected) in [
        ("once", Effect::Idempotent, "reconcile once"),
        ("idempotent", Effect::Once, "reconcile idempotent"),
        ("pure", Effect::Idempotent, "pure"),
        ("gone", Effect::Once, "reconcile gone"),
    ] {
        let begun = RecordedStep { intents: HashMap::from([(id(tool), begun_as)]), ..step(&[tool]) };
        assert_eq!(resume(vec![begun], Reconciled::Unknown).await.calls, [expected], "{tool} {begun_as:?}");
    }
    let begun = RecordedStep { intents: HashMap::from([(id("gone"), Effect::Read)]), ..step(&["gone"]) };
    assert!(resume(vec![begun], Reconciled::Unknown).await.calls.is_empty());
}

#[tokio::test]
async fn ids_of_recorded_calls_are_not_given_again() {
    let first = RecordedStep { results: HashMap::from([(id("once"), returned("before"))]), ..step(&["once"]) };
    let (provider, script) = ScriptedProvider::new();
    script.answer(Answer::call("once", "read", json!({}))).answer(Answer::text(["done"]));
    let tools = Arc::new(Counted { calls: Mutex::default(), reconciled: Reconciled::Unknown });
    let log = Arc::new(Log::default());
    let turn = Turn { tools, recorder: log.clone(), recorded: vec![first], ..Turn::new(provider, "model") };
    run(turn, "hi").await.0.unwrap();
    assert_eq!(log.lines(), ["record step 1", "record result once-2", "record step 2"]);
}

#[test]
fn effects_are_ordered_from_harmless_on() {
    assert!(EFFECTS.windows(2).all(|pair| pair[0].1 < pair[1].1));
}
