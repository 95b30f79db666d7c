//! Events, as they are told to one connection.

use std::{collections::HashMap, sync::Arc, time::Duration};

use exoclaw_protocol::{
    AbortReason, Approval, ApprovalId, Decision, ErrorCode, Event, Message, RunId, SessionEvent, SessionKey, TokenName,
    ToolOutput, Usage,
    openclaw::{Code, ErrorShape, EventFrame, OperatorScope, Response, StateVersion, Version},
};
use exoclaw_runtime::{ApprovalEvent, Change, Clock, JobEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    approvals, cron, devices,
    line::{Line, said, text},
    lists, sessions,
};
use crate::socket::{changes::Changed, devices::DeviceEvent, outbox::Outbox};

/// What is told.
pub(super) const EVENTS: &[&str] = &[
    "connect.challenge",
    "chat",
    "agent",
    "cron",
    "device.pair.requested",
    "device.pair.resolved",
    "presence",
    "health",
    "tick",
    "shutdown",
    "exec.approval.requested",
    "exec.approval.resolved",
    "sessions.changed",
    "session.message",
];

/// Time between two ticks.
pub(super) const TICK: Duration = Duration::from_secs(30);

/// Tells one connection what happens.
pub(super) struct Telling {
    line: Arc<Line>,
    clock: Arc<dyn Clock>,
    /// Number of the last frame.
    seq: u64,
    /// Runs under way in the sessions that are followed, one of each.
    runs: HashMap<RunId, Progress>,
    next_tick: Instant,
    /// The version of the presence that was told last.
    presence: u64,
    /// The version of the health that was told last.
    health: u64,
}

/// How far a run is.
struct Progress {
    /// As the client knows it.
    id: String,
    session: SessionKey,
    /// Number of the last thing that was told of it.
    seq: u64,
    /// The answer so far, of the present step of the model.
    text: String,
    /// The text begins anew: version 4 is told so.
    anew: bool,
    started_ms: u64,
    answers: Vec<String>,
}

impl Telling {
    pub(super) fn new(line: Arc<Line>, clock: Arc<dyn Clock>) -> Self {
        let (presence, health) = (line.presence.version(), line.door.health.version());
        Self { line, clock, seq: 0, runs: HashMap::new(), next_tick: Instant::now() + TICK, presence, health }
    }

    pub(super) fn next_tick(&self) -> Instant {
        self.next_tick
    }

    /// Says that we are there, and who else is, if that changed. Whoever reads slowly does without, and sees by the numbers
    /// that something was left out.
    pub(super) fn tick(&mut self, now: Instant, outbox: &mut Outbox) {
        self.next_tick = now + TICK;
        let ts = self.clock.now_ms();
        self.say_if_room("tick", json!({ "ts": ts }), None, outbox);
        if !self.line.may(OperatorScope::Read) {
            return;
        }
        let (presence, health) = (self.line.presence.version(), self.line.door.health.version());
        if presence != std::mem::replace(&mut self.presence, presence) {
            let (entries, presence) = self.line.presence.snapshot();
            let state = StateVersion { presence, health };
            self.say_if_room("presence", json!({ "presence": entries }), Some(state), outbox);
        }
        if health != std::mem::replace(&mut self.health, health)
            && let (Some(told), health) = self.line.door.health.told()
        {
            self.say_if_room("health", told, Some(StateVersion { presence, health }), outbox);
        }
    }

    pub(super) fn stopping(&mut self, outbox: &mut Outbox) {
        self.say("shutdown", json!({ "reason": "gateway stopping", "restartExpectedMs": null }), None, outbox);
    }

    /// Tells what happened to a job.
    pub(super) fn job(&mut self, event: &JobEvent, outbox: &mut Outbox) {
        if self.line.may(OperatorScope::Read) {
            let payload = cron::event(event, self.clock.now_ms(), self.line.version);
            self.say_if_room("cron", payload, None, outbox);
        }
    }

    /// Tells whoever lets devices in what happened to one that waits.
    pub(super) fn device(&mut self, event: &DeviceEvent, outbox: &mut Outbox) {
        if !self.line.may(OperatorScope::Pairing) {
            return;
        }
        match event {
            DeviceEvent::Requested(request) => {
                self.say_if_room("device.pair.requested", devices::waiting(request), None, outbox);
            }
            DeviceEvent::Resolved { request, approved } => {
                let payload = json!({
                    "requestId": request.request_id, "deviceId": request.device,
                    "decision": if *approved { "approved" } else { "rejected" }, "ts": self.clock.now_ms(),
                });
                self.say_if_room("device.pair.resolved", payload, None, outbox);
            }
        }
    }

    /// The session's events are told no more.
    pub(super) fn forget(&mut self, session: &SessionKey) {
        self.runs.retain(|_, run| run.session != *session);
    }

    /// Tells what happened in a session.
    pub(super) fn event(&mut self, event: &SessionEvent, outbox: &mut Outbox) {
        if !self.line.may(OperatorScope::Read) {
            return;
        }
        let now_ms = self.clock.now_ms();
        self.message(event, now_ms, outbox);
        match &event.event {
            // Waiting runs have nothing to tell.
            Event::Accepted { .. } | Event::Reset {} => return,
            Event::Noted { message } => return self.noted(event, message, now_ms, outbox),
            _ => {}
        }
        let mut run = match self.runs.remove(&event.run_id) {
            Some(run) => run,
            None => self.begin(event, now_ms, outbox),
        };
        self.tell(&mut run, &event.event, now_ms, outbox);
        if !event.event.is_terminal() {
            self.runs.insert(event.run_id.clone(), run);
        }
    }

    /// Tells that a session changed, with what a list shows of it.
    pub(super) fn changed(&mut self, changed: &Changed, outbox: &mut Outbox) {
        let Changed::One(changed, info) = changed else {
            // The gap says so.
            self.seq += 1;
            return;
        };
        let session = &changed.session;
        let mut payload = json!({ "sessionKey": session, "agentId": session.agent(), "ts": self.clock.now_ms() });
        match &changed.change {
            Change::Ended(run_id) => {
                payload["phase"] = "end".into();
                payload["runId"] = self.line.run(run_id).id.into();
            }
            change => payload["reason"] = reason(change).into(),
        }
        if let Some(info) = info {
            payload["session"] = sessions::row(info, &lists::defaults(&self.line.door));
        }
        self.say("sessions.changed", payload, None, outbox);
    }

    /// Tells a message that was kept to those who asked for them.
    fn message(&mut self, event: &SessionEvent, now_ms: u64, outbox: &mut Outbox) {
        let (of, message) = match &event.event {
            Event::Accepted { message } => {
                ("user", json!({ "role": "user", "content": message.text(), "timestamp": now_ms }))
            }
            Event::Noted { message } => ("assistant", ended(message, note_reason(self.line.version), now_ms)),
            Event::Final { message, .. } => ("assistant", ended(message, "stop", now_ms)),
            _ => return,
        };
        if !self.line.follows_messages(&event.session) {
            return;
        }
        let payload = json!({
            "sessionKey": event.session, "agentId": event.session.agent(), "message": message,
            "messageId": format!("{}:{of}", event.run_id), "messageSeq": event.seq,
        });
        self.say("session.message", payload, None, outbox);
    }

    fn begin(&mut self, event: &SessionEvent, now_ms: u64, outbox: &mut Outbox) -> Progress {
        let known = self.line.run(&event.run_id);
        let mut run = Progress {
            id: known.id,
            session: event.session.clone(),
            seq: 0,
            text: known.text,
            anew: false,
            started_ms: now_ms,
            answers: known.answers,
        };
        self.agent(&mut run, "lifecycle", json!({ "phase": "start", "startedAt": now_ms }), outbox);
        run
    }

    fn tell(&mut self, run: &mut Progress, event: &Event, now_ms: u64, outbox: &mut Outbox) {
        match event {
            Event::Delta { text } => {
                run.text.push_str(text);
                let data = json!({ "text": run.text, "delta": text });
                self.agent(run, "assistant", data, outbox);
                let mut delta = json!({ "state": "delta", "message": said(&run.text, now_ms) });
                if self.line.version >= Version::V4 {
                    let anew = std::mem::take(&mut run.anew);
                    delta["deltaText"] = json!(if anew { &run.text } else { text });
                    if anew {
                        delta["replace"] = json!(true);
                    }
                }
                self.chat(run, delta, outbox);
            }
            Event::Thinking { text } if self.line.version >= Version::V4 => {
                self.agent(run, "thinking", json!({ "delta": text }), outbox);
            }
            Event::ToolStarted { call_id, tool, input, .. } => {
                let data = json!({ "phase": "start", "name": tool, "toolCallId": call_id, "args": input });
                self.tool(run, data, outbox);
            }
            Event::ToolProgress { call_id, message, .. } => {
                let partial = json!({ "content": [{ "type": "text", "text": message }] });
                self.tool(run, json!({ "phase": "update", "toolCallId": call_id, "partialResult": partial }), outbox);
            }
            Event::ToolFinished { call_id, tool, output, .. } => {
                let data = json!({
                    "phase": "result", "name": tool, "toolCallId": call_id, "isError": output.is_error,
                    "result": { "content": contents(output) },
                });
                self.tool(run, data, outbox);
            }
            // A step of the model ended: the next one begins a text of its own.
            Event::Usage { .. } => run.anew = !std::mem::take(&mut run.text).is_empty() || run.anew,
            Event::ApprovalRequested { approval } => self.asked(approval, now_ms, outbox),
            Event::ApprovalResolved { id, decision, by } => self.decided(id, *decision, by.as_ref(), outbox),
            Event::Final { message, usage, .. } => self.ended_well(run, message, usage, now_ms, outbox),
            Event::Aborted { text, reason } => self.aborted(run, text, *reason, now_ms, outbox),
            // Another run says what is answered.
            Event::Joined { into } => {
                let answers = std::mem::take(&mut run.answers);
                match self.runs.get_mut(into) {
                    Some(other) => other.answers.extend(answers),
                    None => self.line.answer_with(into, answers),
                }
                self.ended_well(run, &Message::assistant(Vec::new()), &Usage::default(), now_ms, outbox);
            }
            Event::Error { code, message, .. } => self.failed(run, *code, message, now_ms, outbox),
            _ => {}
        }
    }

    fn ended_well(&mut self, run: &mut Progress, message: &Message, usage: &Usage, now_ms: u64, outbox: &mut Outbox) {
        let answer = message.text();
        let answer = answer.trim();
        let mut end = json!({ "phase": "end", "startedAt": run.started_ms, "endedAt": now_ms });
        if self.line.version >= Version::V4 {
            end["aborted"] = json!(false);
            end["stopReason"] = json!("stop");
        }
        self.agent(run, "lifecycle", end, outbox);
        let mut last = json!({ "state": "final" });
        if !answer.is_empty() {
            last["message"] = said(answer, now_ms);
        }
        if self.line.version >= Version::V4 {
            last["stopReason"] = json!("stop");
        }
        last["usage"] = counted(usage);
        self.chat(run, last, outbox);
        for request in std::mem::take(&mut run.answers) {
            let meta = json!({
                "durationMs": now_ms.saturating_sub(run.started_ms), "agentMeta": { "usage": counted(usage) },
            });
            let payloads = json!([{ "text": answer, "mediaUrl": null }]);
            let result = json!({ "payloads": payloads, "meta": meta });
            let done = json!({ "runId": run.id, "status": "ok", "summary": "completed", "result": result });
            outbox.text(text(&Response::ok(request, done)));
        }
    }

    /// Somebody put something into the conversation.
    fn noted(&mut self, event: &SessionEvent, message: &Message, now_ms: u64, outbox: &mut Outbox) {
        let mut payload = json!({
            "runId": format!("inject-{}", event.run_id), "seq": 0, "state": "final",
            "sessionKey": self.line.session_name(&event.session),
            "message": ended(message, note_reason(self.line.version), now_ms),
        });
        if self.line.version >= Version::V4 {
            payload["agentId"] = event.session.agent().into();
        }
        self.say("chat", payload, None, outbox);
    }

    fn aborted(&mut self, run: &mut Progress, partial: &str, reason: AbortReason, now_ms: u64, outbox: &mut Outbox) {
        let reason = stop_reason(reason);
        let mut last = json!({ "state": "aborted", "stopReason": reason });
        if self.line.version >= Version::V4 && !partial.is_empty() {
            last["message"] = said(partial, now_ms);
        }
        self.chat(run, last, outbox);
        let mut end = json!({ "phase": "end", "startedAt": run.started_ms, "endedAt": now_ms });
        if self.line.version >= Version::V4 {
            end["status"] = json!("cancelled");
            end["aborted"] = json!(true);
            end["stopReason"] = json!(reason);
        }
        self.agent(run, "lifecycle", end, outbox);
        self.refuse(run, "the run was stopped", outbox);
    }

    fn failed(&mut self, run: &mut Progress, code: ErrorCode, message: &str, now_ms: u64, outbox: &mut Outbox) {
        let data = json!({ "phase": "error", "error": message, "startedAt": run.started_ms, "endedAt": now_ms });
        self.agent(run, "lifecycle", data, outbox);
        let mut last = json!({ "state": "error", "errorMessage": message });
        if self.line.version >= Version::V4 {
            last["errorKind"] = json!(match code {
                ErrorCode::RateLimited => "rate_limit",
                ErrorCode::ContextTooLong => "context_length",
                _ => "unknown",
            });
        }
        self.chat(run, last, outbox);
        self.refuse(run, message, outbox);
    }

    /// Answers whoever waits for the end of a run that did not end well.
    fn refuse(&mut self, run: &mut Progress, message: &str, outbox: &mut Outbox) {
        for request in std::mem::take(&mut run.answers) {
            let failed = json!({ "runId": run.id, "status": "error", "summary": message });
            let error = ErrorShape::new(Code::Unavailable, message);
            outbox.text(text(&Response { payload: Some(failed), ..Response::error(request, error) }));
        }
    }

    fn tool(&mut self, run: &mut Progress, data: Value, outbox: &mut Outbox) {
        if self.line.tool_events {
            self.agent(run, "tool", data, outbox);
        }
    }

    /// Tells what happened to something that was asked outside of runs.
    pub(super) fn approval(&mut self, event: &ApprovalEvent, outbox: &mut Outbox) {
        match event {
            ApprovalEvent::Asked { approval, asked_ms } => self.asked(approval, *asked_ms, outbox),
            ApprovalEvent::Decided { id, decision, by } => {
                self.decided(id, *decision, by.as_ref(), outbox);
                if let Some((request, mut told)) = self.line.waited_for(id) {
                    told["decision"] = approvals::word(*decision).into();
                    outbox.text(text(&Response::ok(request, told)));
                }
            }
        }
    }

    fn asked(&mut self, approval: &Approval, asked_ms: u64, outbox: &mut Outbox) {
        if self.line.may(OperatorScope::Approvals) {
            let payload = json!({
                "id": approval.id, "request": approvals::shown(approval, &self.line),
                "createdAtMs": asked_ms, "expiresAtMs": approval.expires_ms,
            });
            self.say("exec.approval.requested", payload, None, outbox);
        }
    }

    fn decided(&mut self, id: &ApprovalId, decision: Decision, by: Option<&TokenName>, outbox: &mut Outbox) {
        if self.line.may(OperatorScope::Approvals) {
            let decision = approvals::decision(decision);
            let payload = json!({ "id": id, "decision": decision, "resolvedBy": by, "ts": self.clock.now_ms() });
            self.say("exec.approval.resolved", payload, None, outbox);
        }
    }

    /// What happened in a run, as it goes on.
    fn agent(&mut self, run: &mut Progress, stream: &'static str, data: Value, outbox: &mut Outbox) {
        run.seq += 1;
        let mut payload = json!({ "stream": stream, "data": data, "seq": run.seq, "ts": self.clock.now_ms() });
        self.name(run, &mut payload);
        self.say("agent", payload, None, outbox);
    }

    /// What happened in a run, as a chat shows it.
    fn chat(&mut self, run: &Progress, mut payload: Value, outbox: &mut Outbox) {
        payload["seq"] = run.seq.into();
        self.name(run, &mut payload);
        self.say("chat", payload, None, outbox);
    }

    fn name(&self, run: &Progress, payload: &mut Value) {
        payload["runId"] = json!(run.id);
        payload["sessionKey"] = self.line.session_name(&run.session).into();
        if self.line.version >= Version::V4 {
            payload["agentId"] = run.session.agent().into();
        }
    }

    fn say(&mut self, event: &'static str, payload: Value, state_version: Option<StateVersion>, outbox: &mut Outbox) {
        self.seq += 1;
        let frame = EventFrame { event, payload: Some(payload), seq: Some(self.seq), state_version };
        outbox.text(text(&frame));
    }

    fn say_if_room(&mut self, event: &'static str, payload: Value, state: Option<StateVersion>, outbox: &mut Outbox) {
        if outbox.has_room() {
            self.say(event, payload, state, outbox);
        } else {
            self.seq += 1;
        }
    }
}

/// What became of a session, in the protocol's words.
fn reason(change: &Change) -> &'static str {
    match change {
        Change::Sent => "send",
        Change::Noted => "inject",
        Change::Set => "patch",
        Change::Reset => "reset",
        Change::Compacted => "compact",
        Change::Deleted => "delete",
        _ => "update",
    }
}

/// A message of the assistant that is whole.
fn ended(message: &Message, why: &str, now_ms: u64) -> Value {
    let mut ended = said(&message.text(), now_ms);
    ended["stopReason"] = why.into();
    ended
}

/// Why a note says that it ended.
pub(super) const fn note_reason(version: Version) -> &'static str {
    match version {
        Version::V3 => "injected",
        Version::V4 => "stop",
    }
}

/// Why a run was stopped, in the protocol's words.
pub(super) fn stop_reason(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::Stop => "stop",
        AbortReason::Timeout => "timeout",
        AbortReason::Interrupt => "interrupt",
        AbortReason::Reset => "reset",
        _ => "rpc",
    }
}

fn counted(usage: &Usage) -> Value {
    json!({
        "input": usage.input_tokens, "output": usage.output_tokens, "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens, "totalTokens": usage.tokens(),
    })
}

fn contents(output: &ToolOutput) -> Vec<Value> {
    output.content.iter().map(super::history::tool_content).collect()
}
