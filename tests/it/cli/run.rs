//! `run show` and `run replay`, beside a daemon and without one.

use exoclaw_client::Push;
use exoclaw_protocol::{ChatSendParams, RunId};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
    plugins,
};
use futures::StreamExt;
use serde_json::json;

use super::run_beside;

/// A daemon whose agent has noted something and read it, and that run.
async fn daemon(notes: &std::path::Path) -> (Daemon, RunId) {
    let model = ModelServer::start().await;
    let note = Answer::text(["I ", "note it."]).and_call("a", "notes__append", &json!({ "text": "buy milk" }));
    model.answer(note.usage(120, 45)).answer(Answer::call("b", "notes__read", &json!({})));
    model.answer(Answer::text(["Noted."]).usage(180, 5));
    let fs = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, notes.display());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs);
    let daemon = setup.start();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    let sent = client.request(ChatSendParams::text("main".parse().unwrap(), "remember milk")).await.unwrap();
    while !matches!(pushes.next().await.unwrap(), Push::Event(event) if event.event.is_terminal()) {}
    client.close().await;
    (daemon, sent.run_id)
}

#[tokio::test]
async fn a_run_is_shown_and_its_tools_are_run_again() {
    let notes = tempfile::tempdir().unwrap();
    let (mut daemon, run) = daemon(notes.path()).await;
    let run = run.to_string();
    let shown = run_beside(daemon.command(&["run", "show", &run])).await.ok().out;
    for part in [
        "of agent:main:main, ",
        "message   remember milk",
        "model     I note it.",
        "120 tokens in, 45 out, tool_use",
        r#"call      notes.append {"text":"buy milk"}"#,
        "intent    notes.append, once",
        "result    notes.append: noted",
        "ended     ok",
        "model steps 3, 300 tokens in, 50 out; tool calls 2; in tools ",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let shown = run_beside(daemon.command(&["run", "show", &run, "--json"])).await.ok().json();
    assert_eq!(shown["totals"]["usage"]["inputTokens"], 300);
    assert_eq!(shown["records"].as_array().unwrap().len(), 9);

    // A note is taken once more, in a copy.
    let replayed = run_beside(daemon.command(&["run", "replay", &run])).await;
    let replayed = replayed.failed(1, &["1 of 2 calls gave back something else"]).out;
    let lines: Vec<_> = replayed.lines().collect();
    let expected = [
        r#"= step 0  notes.append {"text":"buy milk"}"#,
        "≠ step 1  notes.read {}",
        "      - buy milk",
        "    + - buy milk",
    ];
    assert_eq!(lines, expected, "{replayed}");
    assert_eq!(std::fs::read_to_string(notes.path().join("notes.md")).unwrap(), "- buy milk\n");
    assert!(!daemon.home().join("replay").exists(), "copies go with the command");

    // Another version of a plugin, without the daemon: the clock's code under the name of the notes' is refused.
    daemon.terminate();
    let other = format!("notes={}", plugins::example("clock").display());
    run_beside(daemon.command(&["run", "replay", &run, "--plugin", &other]))
        .await
        .failed(65, &["holds the plugin clock"]);
    let same = format!("notes={}", plugins::example("notes").display());
    let replayed = run_beside(daemon.command(&["run", "replay", &run, "--plugin", &same, "--json"])).await;
    let calls = replayed.json();
    assert_eq!((&calls["different"], &calls["calls"][0]["same"]), (&json!(1), &json!(true)));
    assert_eq!(calls["calls"][0]["now"]["output"]["content"][0]["text"], "noted");
    let none = format!("note={}", plugins::example("notes").display());
    run_beside(daemon.command(&["run", "replay", &run, "--plugin", &none])).await.failed(65, &["has no plugin note"]);
    let unknown = "0".repeat(32);
    run_beside(daemon.command(&["run", "show", &unknown])).await.failed(1, &["there is no run 000"]);
}
