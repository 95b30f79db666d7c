//! One chat through every layer, on real parts: client, socket, journal, model over HTTP, component under grants.

use std::{fs, path::Path};

use exoclaw_client::{Client, Push, Pushes};
use exoclaw_protocol::{
    ChatHistoryParams, ChatHistoryResult, ChatSendParams, ChatSendResult, Event, FailureKind, Role, SendStatus,
    SessionEvent, SessionRef, StopReason, Usage,
};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, Dialect, Gate, ModelServer},
    plugins,
};
use futures::StreamExt;
use serde_json::json;

/// A home for notes, and beside it what no tool may see.
struct Folders {
    root: tempfile::TempDir,
}

const SECRET: &str = "the neighbour's secret\n";

impl Folders {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("notes")).unwrap();
        fs::create_dir(root.path().join("neighbour")).unwrap();
        fs::write(root.path().join("neighbour/secret.md"), SECRET).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn daemon(model: &ModelServer, dialect: Dialect, folders: &Folders) -> Daemon {
    let setup = match dialect {
        Dialect::Anthropic => Setup::with_model("anthropic", &model.anthropic_url()),
        Dialect::OpenAi => Setup::with_model("openai", &model.openai_url()),
    };
    let host = folders.path("notes");
    let grant = format!("fs = [{{ host = \"{}\", guest = \"/notes\", access = \"read-write\" }}]", host.display());
    setup.tools(&["notes"]).plugin("notes", &plugins::example("notes"), &grant).start()
}

fn session() -> SessionRef {
    "main".parse().unwrap()
}

async fn send(client: &Client, text: &str) -> ChatSendResult {
    client.request(ChatSendParams::text(session(), text)).await.unwrap()
}

async fn history(client: &Client) -> ChatHistoryResult {
    client.request(ChatHistoryParams::new(session())).await.unwrap()
}

/// The events of one run up to its end.
async fn events_of(sent: &ChatSendResult, pushes: &mut Pushes) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    loop {
        match pushes.next().await.expect("the client is open") {
            Push::Event(event) if event.run_id == sent.run_id => {
                events.push((*event).clone());
                if event.event.is_terminal() {
                    return events;
                }
            }
            Push::Event(_) | Push::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// One word an event, deltas joined.
fn kinds(events: &[SessionEvent]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = events
        .iter()
        .map(|event| match event.event {
            Event::Accepted { .. } => "accepted",
            Event::Delta { .. } => "delta",
            Event::Usage { .. } => "usage",
            Event::ToolStarted { .. } => "tool.started",
            Event::ToolFinished { .. } => "tool.finished",
            Event::Final { .. } => "final",
            _ => "other",
        })
        .collect();
    kinds.dedup();
    kinds
}

fn deltas(events: &[SessionEvent]) -> Vec<&str> {
    let delta = |event: &'_ SessionEvent| matches!(event.event, Event::Delta { .. });
    events
        .iter()
        .filter(|event| delta(event))
        .map(|event| match &event.event {
            Event::Delta { text } => text.as_str(),
            _ => unreachable!("filtered"),
        })
        .collect()
}

async fn whole_chat(dialect: Dialect) {
    let folders = Folders::new();
    let model = ModelServer::start().await;
    let mut daemon = daemon(&model, dialect, &folders);
    let client = daemon.client();
    let mut pushes = client.subscribe();

    // A message, streamed words, a tool call that changes a file, and the answer that knows of it.
    let gate = Gate::new();
    model.answer(
        Answer::text(["Let me ", "write that "])
            .gate(&gate)
            .and_text(["down."])
            .and_call("call_1", "notes__append", &json!({ "text": "buy milk" }))
            .usage(20, 7),
    );
    model.answer(Answer::text(["It is ", "noted."]).usage(40, 3));
    let sent = send(&client, "Note: buy milk").await;
    assert_eq!(sent.status, SendStatus::Started);
    gate.reached().await;
    gate.open();
    let events = events_of(&sent, &mut pushes).await;

    let shape = ["accepted", "delta", "usage", "tool.started", "tool.finished", "delta", "usage", "final"];
    assert_eq!(kinds(&events), shape);
    assert_eq!(deltas(&events).concat(), "Let me write that down.It is noted.");
    assert!(deltas(&events).len() >= 3, "the answer came in one piece: {:?}", deltas(&events));
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<u64> = (sent.seq + 1..=sent.seq + events.len() as u64).collect();
    assert_eq!(numbers, expected, "events are numbered from the acknowledgement on, without a gap");
    assert!(events.iter().all(|event| event.epoch == sent.epoch && event.session == sent.session));

    let finished = events.iter().find_map(|event| match &event.event {
        Event::ToolFinished { tool, output, metering, .. } => Some((tool, output, metering)),
        _ => None,
    });
    let (tool, output, metering) = finished.expect("the tool finished");
    assert_eq!(tool, "notes.append");
    assert!(!output.is_error, "{output:?}");
    assert!(metering.fuel > 0 && metering.peak_memory > 0 && metering.wall_us > 0, "{metering:?}");
    let Some(Event::Final { message, stop_reason, usage }) = events.last().map(|event| &event.event) else {
        panic!("{events:?}");
    };
    assert_eq!((message.text().as_str(), *stop_reason), ("It is noted.", StopReason::EndTurn));
    assert_eq!(*usage, Usage { input_tokens: 60, output_tokens: 10, ..Usage::default() });

    assert_eq!(folders.read("notes/notes.md"), "- buy milk\n");
    let requests = model.requests();
    assert_eq!(requests.len(), 2, "one request per model step");
    assert!(requests.iter().all(|request| request.dialect == dialect));
    let second = requests[1].body["messages"].to_string();
    assert!(second.contains("call_1") && second.contains("noted"), "the tool's result is not in {second}");

    neighbour_is_out_of_reach(&model, &client, &mut pushes, &folders).await;

    // What was said is there after a restart, word for word.
    let before = history(&client).await;
    let roles: Vec<Role> = before.messages.iter().map(|message| message.role).collect();
    use Role::{Assistant, User};
    assert_eq!(roles, [User, Assistant, User, Assistant, User, Assistant, User, Assistant]);
    client.close().await;
    assert!(daemon.terminate().success(), "{}", daemon.log());
    daemon.restart();
    let client = daemon.client();
    assert_eq!(history(&client).await, before);
    client.close().await;
    model.assert_clean();
}

/// A link in the granted folder leads to the neighbour; the tool that follows it is told no, and so is the model.
async fn neighbour_is_out_of_reach(model: &ModelServer, client: &Client, pushes: &mut Pushes, folders: &Folders) {
    fs::remove_file(folders.path("notes/notes.md")).unwrap();
    std::os::unix::fs::symlink(Path::new("../neighbour/secret.md"), folders.path("notes/notes.md")).unwrap();
    model.answer(Answer::call("call_2", "notes__append", &json!({ "text": "overwritten" })).usage(1, 1));
    model.answer(Answer::text(["I could not."]).usage(1, 1));
    let sent = send(client, "Note: overwrite").await;
    let events = events_of(&sent, pushes).await;
    let output = events.iter().find_map(|event| match &event.event {
        Event::ToolFinished { output, .. } => Some(output),
        _ => None,
    });
    let output = output.expect("the tool finished");
    assert!(output.is_error, "{output:?}");
    assert_ne!(output.failure, Some(FailureKind::Crashed), "{output:?}");
    assert_eq!(folders.read("neighbour/secret.md"), SECRET);
    assert!(matches!(events.last().map(|event| &event.event), Some(Event::Final { .. })), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_with_an_anthropic_model() {
    whole_chat(Dialect::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_with_an_openai_model() {
    whole_chat(Dialect::OpenAi).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_acknowledged_survives_a_kill() {
    let folders = Folders::new();
    let model = ModelServer::start().await;
    model.usually(Answer::silence());
    let mut daemon = daemon(&model, Dialect::OpenAi, &folders);
    let client = daemon.client();
    let sent = send(&client, "remember me").await;
    daemon.kill9();
    client.close().await;

    daemon.restart();
    let client = daemon.client();
    let history = history(&client).await;
    assert_eq!(history.session, sent.session);
    assert_eq!(history.messages[0].run_id, sent.run_id);
    assert_eq!(history.messages[0].content, [exoclaw_protocol::Block::text("remember me")]);
    client.close().await;
}
