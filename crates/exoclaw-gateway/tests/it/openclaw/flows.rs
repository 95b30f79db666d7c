//! Whole conversations between their clients and servers of theirs, held again with this one.
//!
//! The recordings are whole but for greetings, what is told at any time (`health`, `presence`, `tick`), how far a model has been
//! started, what shows a call once more, and descriptions of their machine; of rows of sessions what clients read is kept. Of the
//! deltas of a run the first stands for all.

use std::collections::{BTreeMap, BTreeSet};

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::openclaw::Version;
use futures::{FutureExt, channel::oneshot};
use serde::Deserialize;
use serde_json::Value;

use super::{BOTH, Claw, recorded::Differences, request};
use crate::support::World;

#[derive(Deserialize)]
struct Line {
    flow: String,
    #[serde(flatten)]
    step: Step,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Connect(Value),
    Sent(Value),
    Answer(Value),
    Told { event: String, payload: Value },
}

fn recorded(version: Version) -> impl Iterator<Item = Line> {
    let text = match version {
        Version::V3 => include_str!("recorded/flows-v3.jsonl"),
        Version::V4 => include_str!("recorded/flows-v4.jsonl"),
    };
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// What their servers say of things that are not here: their machine, their heartbeats, people who share a session, boards and
/// schedules of sessions, and what only their own page asks for.
const DIFFERENCES: Differences = Differences {
    left: &[
        "model",
        "heartbeat",
        "heartbeatSeconds",
        "recent",
        "path",
        "api",
        "provider",
        "usage",
        "chatType",
        "compactionCount",
        "deliveryContext",
        "lastChannel",
        "origin",
        "sessionFile",
        "verboseLevel",
        "meta",
        "systemSent",
        "/sessionId",
        "configReload",
        "modelRuntime",
        "modelSelectionTarget",
        "thinkingDefault",
        "sessionInfo",
        "totalMessages",
        "isHeartbeat",
        "executionSettled",
        "livenessState",
        "replayInvalid",
        "deltaCursor",
        "__openclaw",
        "idempotencyKey",
        "responseId",
        "errorDetail",
        "commandBearing",
        "activity",
        "nextOffset",
        "owners",
        "senderIsOwner",
    ],
    own: &[
        "sessionId",
        "ts",
        "timestamp",
        "updatedAt",
        "seq",
        "startedAt",
        "endedAt",
        "acceptedAt",
        "durationMs",
        "messageId",
        "messageSeq",
        "count",
        "totalCount",
        "contextTokens",
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "modelProvider",
        "toolCallId",
        // The tool of the recording is not here: its call fails.
        "isError",
        "result",
        "errorMessage",
        "error",
        "reason",
    ],
};

/// A server under a recorded conversation: its model answers as the one of the recording did.
struct Replay {
    world: World,
    version: Version,
    /// Connections of the flow: the last one asks, the first one is told.
    claws: Vec<Claw>,
    /// Answers that came before what was told, and the other way round.
    answers: Vec<Value>,
    told: Vec<(String, Value)>,
    /// Keys under which something was sent.
    keys: BTreeSet<String>,
    /// Lets the model go on after its first word.
    go_on: Option<oneshot::Sender<()>>,
    /// What each run has said so far.
    said: BTreeMap<String, String>,
    ended: BTreeSet<String>,
}

impl Replay {
    /// What the recording's model does when it is asked this.
    fn answers_to(&mut self, message: &str) -> Vec<Answer> {
        if let Some(deltas) = message.strip_prefix("deltas=") {
            let count: u64 = deltas.split(' ').next().unwrap().parse().unwrap();
            let (go_on, wait) = oneshot::channel();
            self.go_on = Some(go_on);
            let rest = (1..count).map(|at| format!(" tok{at}")).chain([" ".to_owned()]);
            let answer = Answer::text(["tok0"]).and_wait(wait.map(drop)).and_text(rest);
            return vec![answer.usage(10, count)];
        }
        if let Some(call) = message.strip_prefix("calltool=exec:") {
            let input = serde_json::from_str(call).unwrap();
            return vec![Answer::call("call_1", "exec", input), Answer::text(["tool said:", " tool-ran-42"])];
        }
        match message {
            "hang please" => vec![Answer::text(["tok0"]).then_never()],
            "status=400" => vec![Answer::error(ProviderErrorKind::Refused, "mock status 400")],
            _ => Vec::new(),
        }
    }

    /// Goes one step; says where what came differs from what was recorded.
    async fn step(&mut self, flow: &str, step: Step) -> Vec<String> {
        match step {
            Step::Connect(how) => {
                let change = |params: &mut Value| {
                    params["scopes"] = how["scopes"].clone();
                    params["caps"] = how["caps"].clone();
                };
                self.claws.push(Claw::connect_with(&self.world, self.version, change).await);
                Vec::new()
            }
            Step::Sent(sent) => {
                let is_new = self.keys.insert(sent["params"]["idempotencyKey"].to_string());
                let asked = sent["params"]["message"].as_str().filter(|_| is_new);
                for answer in asked.map(|message| self.answers_to(message)).unwrap_or_default() {
                    self.world.script.answer(answer);
                }
                let text = request(sent["id"].as_str().unwrap(), sent["method"].as_str().unwrap(), &sent["params"]);
                self.claws.last_mut().unwrap().socket.text(&text).await;
                Vec::new()
            }
            Step::Answer(mut expected) => {
                let mut answer = self.response(expected["id"].as_str().unwrap()).await;
                for history in [&mut expected, &mut answer] {
                    leave_failures(history);
                }
                DIFFERENCES.between(&expected, &answer)
            }
            Step::Told { event, mut payload } => {
                if self.version == Version::V3 && flow == "chat-provider-error" {
                    tell_failure(&mut payload);
                }
                let is_end = payload["state"] == "final"
                    || payload["data"]["phase"] == "end"
                    || payload["message"]["role"] == "assistant" && event == "session.message";
                if let Some(go_on) = self.go_on.take_if(|_| is_end) {
                    go_on.send(()).unwrap();
                }
                DIFFERENCES.between(&payload, &self.next_told(&event).await)
            }
        }
    }

    /// The next answer to that request of the last connection.
    async fn response(&mut self, id: &str) -> Value {
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["id"] == id) {
                return self.answers.remove(at);
            }
            let claw = self.claws.last_mut().unwrap();
            let frame = claw.socket.next().await;
            let kept = if frame["type"] == "res" { &mut self.answers } else { &mut claw.events };
            kept.push(frame);
        }
    }

    /// The next thing that is told: of runs in their order, of sessions in theirs.
    async fn next_told(&mut self, name: &str) -> Value {
        let group = |name: &str| if name == "agent" { "chat".to_owned() } else { name.to_owned() };
        loop {
            if let Some(at) = self.told.iter().position(|(told, _)| group(told) == group(name)) {
                let (told, payload) = self.told.remove(at);
                assert_eq!(told, name, "{payload}");
                return payload;
            }
            let frame = self.claws[0].event().await;
            if frame["type"] == "res" {
                self.answers.push(frame);
            } else if self.is_kept(&frame) {
                self.told.push((frame["event"].as_str().unwrap().to_owned(), frame["payload"].clone()));
            }
        }
    }

    /// Whether the recordings keep such an event. Deltas are looked at on the way, and that nothing follows the end of a run.
    fn is_kept(&mut self, event: &Value) -> bool {
        let payload = &event["payload"];
        let is_one_of = |text: &Value, of: &[&str]| of.iter().any(|one| text == one);
        match event["event"].as_str().unwrap() {
            "session.message" => true,
            "sessions.changed" => is_one_of(&payload["reason"], &["send", "delete"]),
            "agent" if payload["stream"] == "lifecycle" => {
                is_one_of(&payload["data"]["phase"], &["start", "end", "error"])
            }
            "agent" if payload["stream"] == "tool" => is_one_of(&payload["data"]["phase"], &["start", "result"]),
            "chat" => {
                let run = payload["runId"].as_str().unwrap().to_owned();
                assert!(!self.ended.contains(&run), "{payload} came after the end of its run");
                if payload["state"] != "delta" {
                    self.ended.insert(run);
                    return true;
                }
                let text = payload["message"]["content"][0]["text"].as_str().unwrap();
                let before = self.said.insert(run, text.to_owned());
                let new = text.strip_prefix(before.as_deref().unwrap_or_default()).expect("what was said stays");
                if self.version == Version::V4 {
                    assert_eq!(payload["deltaText"], new, "{payload}");
                }
                before.is_none()
            }
            _ => false,
        }
    }
}

/// What differs in one conversation alone, by the beginning of its path.
fn known(version: Version, flow: &str) -> &'static [&'static str] {
    match (version, flow) {
        // Their note has a shorter name.
        (_, "chat-inject") => &["/runId: "],
        // The tool is not here, and its result is of no named tool.
        (_, "history") => &["/payload/messages/9/content/0/id: \"call_1\"", "/payload/messages/1"],
        // They show the id of a message to the model, in its text.
        (Version::V3, "sessions") => {
            &["/payload/previews/0/items/0/text: \"deltas=2\" instead of \"deltas=2\\n[message_id"]
        }
        // A key names a run in its own session alone: nobody learns what runs elsewhere.
        (Version::V4, "chat-abort") => &["/ok: true", "/error is missing"],
        // What their providers are called when they fail.
        (Version::V4, "chat-provider-error") => &["/data/aborted", "/data/errorObservation"],
        // A session is there from its first message on.
        (Version::V4, "sessions-v4") => {
            &["/payload/entry is missing", "/payload/resolved", "/payload/sessionId is missing"]
        }
        (Version::V4, "sessions") => &["/payload/resolved"],
        _ => &[],
    }
}

/// Version 3 says that a run ended well with nothing to say where its model failed; here it says that it failed.
fn tell_failure(payload: &mut Value) {
    if payload["data"]["phase"] == "end" {
        payload["data"]["phase"] = "error".into();
    } else if payload["state"] == "final" {
        payload["state"] = "error".into();
    }
}

/// What is kept of answers that were stopped or failed differs from version to version.
fn leave_failures(answer: &mut Value) {
    if let Some(messages) = answer["payload"]["messages"].as_array_mut() {
        messages.retain(|message| {
            let text = message["content"][0]["text"].as_str();
            !(text == Some("tok0") || message["stopReason"] == "error" || message["role"] == "system")
        });
    }
}

#[tokio::test]
async fn conversations_go_as_they_went() {
    for version in BOTH {
        let mut replay = Replay {
            world: World::start().await,
            version,
            claws: Vec::new(),
            answers: Vec::new(),
            told: Vec::new(),
            keys: BTreeSet::new(),
            go_on: None,
            said: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        let mut flow = String::new();
        for line in recorded(version) {
            if line.flow != flow {
                (replay.claws, replay.answers, replay.told) = (Vec::new(), Vec::new(), Vec::new());
                flow = line.flow;
            }
            let (known, what) = (known(version, &flow), format!("{version:?} {flow}: {:?}", line.step));
            let mut differences = replay.step(&flow, line.step).await;
            differences.retain(|found| !known.iter().any(|known| found.starts_with(known)));
            assert_eq!(differences, Vec::<String>::new(), "{what}");
        }
    }
}
