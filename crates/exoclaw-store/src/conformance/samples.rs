//! Things to store.

use exoclaw_protocol::{
    Block, Decision, Effect, ErrorCode, FailureKind, Message, Metering, Money, Origin, QueueMode, Role, RunOptions,
    SendPolicy, SessionKey, SessionSettings, StopReason, Thinking, ToolOutput, Usage,
};

use crate::{KvScope, Page, Record, RunOutcome, encoded::RECORD_BYTES};

/// A page without bounds that a test would meet.
pub const ALL: Page = Page { entries: 10_000, bytes: 1 << 30 };

/// A session of the agent `main`.
pub fn session(name: &str) -> SessionKey {
    format!("agent:main:{name}").parse().unwrap()
}

/// An accepted message without a key.
pub fn accepted(run: &str) -> Record {
    Record::accepted(run.parse().unwrap(), Message::user(run), run)
}

/// An accepted message under a key.
pub fn keyed(run: &str, key: &str) -> Record {
    Record::Accepted {
        run_id: run.parse().unwrap(),
        message: Message::user(run),
        key: Some(key.parse().unwrap()),
        digest: format!("digest of {run}"),
        by: None,
        origin: None,
        to: None,
        options: RunOptions::default(),
    }
}

/// A message that a credential sent.
pub fn accepted_by(run: &str, by: &str) -> Record {
    let message = Message::user(run);
    let (key, digest, by) = (None, run.into(), Some(by.parse().unwrap()));
    let options = RunOptions::default();
    Record::Accepted { run_id: run.parse().unwrap(), message, key, digest, by, origin: None, to: None, options }
}

/// A step of a run.
pub fn step(run: &str, usage: Usage, cost: Option<Money>) -> Record {
    let (content, stop_reason) = (vec![Block::text("well")], StopReason::EndTurn);
    Record::Step { run_id: run.parse().unwrap(), step: 0, content, stop_reason, usage, cost }
}

/// The end of a run.
pub fn ended(run: &str, outcome: RunOutcome) -> Record {
    Record::RunEnded { run_id: run.parse().unwrap(), outcome }
}

/// The records of each kind but of approvals, all of one run, in the order of a run.
pub fn one_of_each(run: &str) -> Vec<Record> {
    let run_id = || run.parse().unwrap();
    let call_id = || "call_1".parse().unwrap();
    let image = Block::Image { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() };
    let message = Message { role: Role::User, content: vec![Block::text("žluťoučký 🐎 \"\\\n\u{0}"), image] };
    let call = Block::ToolCall {
        id: call_id(),
        name: "notes__append".into(),
        input: serde_json::json!({"n": 1.5, "t": null}),
    };
    let thinking = Block::Thinking { text: "hm".into(), signature: Some("sig".into()) };
    vec![
        Record::Accepted {
            run_id: run_id(),
            message,
            key: Some(format!("key of {run}").parse().unwrap()),
            digest: "d".into(),
            by: Some("phone".parse().unwrap()),
            origin: Some(Origin { peer: Some("dm:U1".parse().unwrap()), ..Origin::channel("slack") }),
            to: None,
            options: RunOptions { queue: QueueMode::Steer, timeout_ms: Some(1) },
        },
        Record::RunStarted { run_id: run_id() },
        Record::RunSuspended { run_id: run_id() },
        Record::RunResumed { run_id: run_id() },
        Record::Step {
            run_id: run_id(),
            step: 0,
            content: vec![thinking, Block::text(""), call],
            stop_reason: StopReason::ToolUse,
            usage: Usage::default(),
            cost: Some(Money::MAX),
        },
        Record::Intent {
            run_id: run_id(),
            step: 0,
            call_id: call_id(),
            tool: "notes__append".into(),
            digest: "0a".into(),
            effect: Effect::Once,
            key: "k".into(),
        },
        Record::ToolResult {
            run_id: run_id(),
            step: 0,
            call_id: call_id(),
            output: ToolOutput::text("done"),
            metering: Metering { wall_us: u64::MAX, ..Metering::default() },
        },
        Record::ToolResult {
            run_id: run_id(),
            step: 0,
            call_id: call_id(),
            output: ToolOutput::failed(FailureKind::OutcomeUnknown, "nobody knows"),
            metering: Metering::default(),
        },
        Record::RunEnded {
            run_id: run_id(),
            outcome: RunOutcome::Failed {
                code: ErrorCode::RateLimited,
                message: "later".into(),
                text: "half a sen".into(),
            },
        },
    ]
}

/// The records of a call that somebody was asked for, and allowed.
pub fn approval(run: &str) -> Vec<Record> {
    let run_id = || run.parse().unwrap();
    let call_id = || "call_1".parse().unwrap();
    vec![
        Record::ApprovalRequested {
            run_id: run_id(),
            step: 0,
            call_id: call_id(),
            tool: "notes__append".into(),
            digest: "0a".into(),
            expires_ms: u64::MAX,
        },
        Record::ApprovalResolved {
            run_id: run_id(),
            step: 0,
            call_id: call_id(),
            digest: "0a".into(),
            decision: Decision::Allowed,
            by: Some("phone".parse().unwrap()),
        },
    ]
}

/// All that can be set.
pub fn settings() -> SessionSettings {
    SessionSettings {
        label: Some("Milk".into()),
        model: Some("model-2".into()),
        thinking: Some(Thinking::Low),
        queue: QueueMode::Collect,
        send: SendPolicy::Deny,
        archived: true,
    }
}

/// The records of a session that belong to no run, and of a run that others joined.
pub fn of_the_session(run: &str) -> Vec<Record> {
    let run_id = || run.parse().unwrap();
    let joined = |step| RunOutcome::Joined { into: "other".parse().unwrap(), step };
    vec![
        Record::Set { settings: settings() },
        Record::Noted { run_id: run_id(), message: Message::assistant(vec![Block::text("noted")]) },
        Record::RunEnded { run_id: run_id(), outcome: joined(None) },
        Record::RunEnded { run_id: run_id(), outcome: joined(Some(2)) },
        Record::Delivered { run_id: run_id(), failure: Some("they left".into()) },
        Record::Reset {},
        Record::Summarized {
            run_id: "summary".parse().unwrap(),
            first: 1,
            before: 3,
            text: "in short".into(),
            model: "model-1".into(),
            usage: Usage { input_tokens: 7, ..Usage::default() },
            cost: Some(Money::MAX),
            by: Some("phone".parse().unwrap()),
        },
        Record::Compacted { from: 3, summarized: true },
    ]
}

/// A record larger than any backend takes.
pub fn oversized() -> Record {
    let message = Message::user("x".repeat(RECORD_BYTES));
    Record::accepted("oversized".parse().unwrap(), message, "")
}

/// The values of a plugin for an agent.
pub fn scope(plugin: &str, agent: &str) -> KvScope {
    KvScope { plugin: plugin.parse().unwrap(), agent: agent.parse().unwrap() }
}
