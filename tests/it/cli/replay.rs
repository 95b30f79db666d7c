//! Calls that are recorded, and runs that are replayed: the same is told again, though the world has moved on, and nothing leaves.

use std::{fs, path::Path};

use exoclaw_protocol::{ChatSendParams, RunId};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::{Value, json};

use super::run_beside;
use crate::network::{Server, packed_for, tool_outputs};

/// A run that reads the clock, counts, fetches a page and keeps notes.
async fn run(server: &Server, folder: &Path, is_recorded: bool) -> (Daemon, RunId) {
    let port = server.port;
    let model = ModelServer::start().await;
    let pages = format!("http = [\"GET http://127.0.0.1:{port}/*\"]\nhttp-private = [\"127.0.0.1:{port}\"]");
    let notes = folder.join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("notes.md"), "- old\n").unwrap();
    let notes = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, notes.display());
    let names = ["clock", "counter", "fetch", "notes"];
    let mut setup = Setup::with_model("openai", &model.openai_url())
        .tools(&names)
        .plugin("clock", &plugins::example("clock"), "")
        .plugin("counter", &plugins::example("counter"), "kv = \"1 MiB\"")
        .plugin("fetch", &packed_for("fetch", port, folder), &pages)
        .plugin("notes", &plugins::example("notes"), &notes);
    for name in names.iter().filter(|_| is_recorded) {
        setup = setup.record(name);
    }
    let daemon = setup.start();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    let calls = Answer::call("1", "clock__now", &json!({}))
        .and_call("2", "counter__increment", &json!({ "name": "runs" }))
        .and_call("3", "fetch", &json!({ "url": format!("http://127.0.0.1:{port}/page") }))
        .and_call("4", "notes__read", &json!({}));
    model.answer(calls);
    model.answer(Answer::call("5", "counter__increment", &json!({ "name": "runs" })));
    model.answer(Answer::call("6", "notes__append", &json!({ "text": "new" })));
    model.answer(Answer::call("7", "notes__read", &json!({})));
    model.answer(Answer::text(["Done."]));
    let sent = client.request(ChatSendParams::text("main".parse().unwrap(), "do it all")).await.unwrap();
    let outputs = tool_outputs(&mut pushes).await;
    assert!(outputs.len() == 7 && outputs.iter().all(|output| !output.is_error), "{outputs:?}");
    client.close().await;
    (daemon, sent.run_id)
}

/// The world moves on.
fn move_on(folder: &Path) {
    fs::write(folder.join("notes/notes.md"), "- something else\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_run_is_told_the_same_again_and_nothing_leaves() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (mut daemon, run) = run(&server, folder.path(), true).await;
    let run = run.to_string();
    let asked = server.seen().len();
    move_on(folder.path());

    let replayed = run_beside(daemon.command(&["run", "replay", &run])).await.ok();
    assert_eq!(replayed.out.lines().filter(|line| line.starts_with('=')).count(), 7, "{replayed:?}");
    assert!(!replayed.out.contains("not recorded") && !replayed.talk.contains("not recorded"), "{replayed:?}");
    assert_eq!(server.seen().len(), asked, "a request left");
    assert_eq!(fs::read_to_string(folder.path().join("notes/notes.md")).unwrap(), "- something else\n");

    // It is the recording that is told: where that says something else, so do the tools.
    let file = daemon.home().join("recordings").join(format!("{run}.jsonl"));
    let mut lines: Vec<Value> =
        fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut change = |call: &str, place: &str, to: Value| {
        let of = lines.iter_mut().find(|line| line["callId"] == call).unwrap();
        let found = of.to_string();
        *of.pointer_mut(&format!("/recording/{place}")).unwrap_or_else(|| panic!("{found}")) = to;
    };
    change("1", "wall", json!([[1_000_000_000, 0]]));
    change("3", "http/0/answer/response/status", json!(404));
    change("5", "kv/0/answer/value", json!("NDE="));
    let read = lines.iter_mut().find(|line| line["callId"] == "7").unwrap();
    let files = read["recording"]["files"].as_array_mut().unwrap();
    let notes = files.iter_mut().find(|file| file["path"] == "notes.md").unwrap();
    notes["what"]["file"]["content"] = json!("LSBlZGl0ZWQK");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&file, text).unwrap();
    daemon.terminate();
    let replayed = run_beside(daemon.command(&["run", "replay", &run, "--json"])).await;
    let replayed = replayed.failed(1, &[]).json();
    let now: Vec<_> =
        replayed["calls"].as_array().unwrap().iter().map(|call| call["now"]["output"].to_string()).collect();
    assert!(now[0].contains("2001-09-09T01:46:40Z"), "{now:?}");
    assert!(now[2].contains("HTTP 404"), "{now:?}");
    assert!(now[4].contains("\"42\""), "{now:?}");
    assert!(now[6].contains("- edited"), "{now:?}");
    assert_eq!(replayed["different"], 4);
    assert_eq!(server.seen().len(), asked, "a request left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_not_recorded_reaches_nothing_either() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (daemon, run) = run(&server, folder.path(), false).await;
    let asked = server.seen().len();
    move_on(folder.path());
    let replayed = run_beside(daemon.command(&["run", "replay", &run.to_string()])).await;
    let replayed = replayed.failed(1, &["7 of 7 calls were not recorded"]).out;
    assert!(replayed.contains("≠ step 0  fetch ") && replayed.contains("(denied)"), "{replayed}");
    assert_eq!(server.seen().len(), asked, "a request left");
    assert_eq!(fs::read_to_string(folder.path().join("notes/notes.md")).unwrap(), "- something else\n");
    assert!(!daemon.home().join("recordings").exists());
}
