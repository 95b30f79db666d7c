//! `chat` against the scripted model server.

use std::process::{Command, Stdio};

use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, Gate, ModelServer},
    plugins,
};
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{Ended, run_beside, run_with_input};

async fn daemon_of(model: &ModelServer) -> Daemon {
    Setup::with_model("openai", &model.openai_url()).start()
}

#[tokio::test]
async fn the_answer_is_data_and_the_rest_is_talk() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["Hel", "lo ", "there"]));
    let daemon = daemon_of(&model).await;
    let ended = run_beside(daemon.command(&["chat", "hi"])).await.ok();
    assert_eq!((ended.out.as_str(), ended.talk.as_str()), ("Hello there\n", ""));
}

#[tokio::test]
async fn tool_calls_are_shown_with_their_time() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["I note it."]).and_call("c1", "notes__append", &json!({ "text": "milk" })));
    model.answer(Answer::text(["Done."]));
    let folder = super::home();
    let daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["notes"])
        .plugin("notes", &plugins::example("notes"), &fs_grant(folder.path()))
        .start();
    let ended = run_beside(daemon.command(&["chat", "remember milk"])).await.ok();
    assert_eq!(ended.out, "I note it.\nDone.\n");
    let lines: Vec<&str> = ended.talk.lines().collect();
    assert_eq!(lines[0], "→ notes.append {\"text\":\"milk\"}");
    assert!(lines[1].starts_with("✓ notes.append ") && lines[1].contains("s: "), "{lines:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn fs_grant(host: &std::path::Path) -> String {
    format!("fs = [{{ host = {host:?}, guest = \"/notes\", access = \"read-write\" }}]")
}

#[tokio::test]
async fn json_is_every_event_in_order() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["Hi"]));
    let daemon = daemon_of(&model).await;
    let ended = run_beside(daemon.command(&["chat", "--json", "--session", "work", "hi"])).await.ok();
    let events: Vec<serde_json::Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["accepted", "delta", "usage", "final"]);
    assert!(events.iter().all(|event| event["session"] == "agent:main:work"));
}

#[tokio::test]
async fn a_message_can_come_from_a_pipe() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["read"]));
    let daemon = daemon_of(&model).await;
    let ended = run_with_input(daemon.command(&["chat"]), "two\nlines\n").await.ok();
    assert_eq!(ended.out, "read\n");
    let request = &model.requests()[0];
    assert!(request.body["messages"].to_string().contains("two\\nlines"), "{}", request.body);
}

#[tokio::test]
async fn faults_of_the_provider_are_named_with_an_exit_code() {
    let refusal = |status| Answer::status(status, &json!({ "error": { "message": "scripted", "type": "scripted" } }));
    let garbage = || Answer::raw(200, "text/event-stream", "data: {\"choices\": 7}\n\n");
    let nothing = || Answer::raw(200, "text/event-stream", "");
    let cases: [(&str, Answer, i32); 6] = [
        ("401", refusal(401), 77),
        ("429", refusal(429), 69),
        ("500", refusal(500), 69),
        ("400", refusal(400), 1),
        ("garbage", garbage(), 69),
        ("nothing", nothing(), 69),
    ];
    for (name, answer, code) in cases {
        let model = ModelServer::start().await;
        model.usually(answer);
        let daemon = daemon_of(&model).await;
        let ended = run_beside(daemon.command(&["chat", "hi"])).await;
        let ended = ended.failed(code, &["error: ", "test"]);
        assert_eq!(ended.out, "", "{name}");
        // The daemon goes on, and so does the session.
        model.usually(Answer::text(["well again"]));
        assert_eq!(run_beside(daemon.command(&["chat", "hi"])).await.ok().out, "well again\n", "{name}");
    }
}

#[tokio::test]
async fn ctrl_c_stops_the_run() {
    let (model, gate) = (ModelServer::start().await, Gate::new());
    model.answer(Answer::text(["never "]).gate(&gate).and_text(["ending"]));
    let daemon = daemon_of(&model).await;
    let chat = started(&mut daemon.command(&["chat", "hi"]));
    gate.reached().await;
    interrupt(&chat);
    let ended = Ended::of(&chat.wait_with_output().await.unwrap());
    ended.failed(130, &["stopping", "stopped"]);
    let status = run_beside(daemon.command(&["status", "--json"])).await.ok().json();
    assert_eq!(status["activeRuns"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_after_the_daemon_was_killed() {
    let (model, gate) = (ModelServer::start().await, Gate::new());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["echo"]);
    let setup = setup.plugin("echo", &plugins::example("echo"), "").arg("--port").arg(port.to_string());
    let mut daemon = setup.start();
    for json in [false, true] {
        model.answer(Answer::text(["Let me see."]).and_call("a", "echo", &json!({ "text": "hello" })));
        model.answer(Answer::text(["half an "]).gate(&gate).and_text(["answer"]));
        let args = if json { &["--json", "chat", "hi"][..] } else { &["chat", "hi"] };
        let mut chat = started(&mut daemon.command(args));
        gate.reached().await;
        let mut out = chat.stdout.take().unwrap();
        let mut shown = String::new();
        while !shown.contains("half an ") {
            let mut byte = [0];
            out.read_exact(&mut byte).await.unwrap();
            shown.push(char::from(byte[0]));
        }
        model.answer(Answer::text(["a whole ", "one"]));
        tokio::task::block_in_place(|| {
            daemon.kill9();
            daemon.restart();
        });
        let (_, ended) = tokio::join!(out.read_to_string(&mut shown), chat.wait_with_output());
        let talk = Ended::of(&ended.unwrap()).ok().talk;
        assert!(talk.contains("the connection broke"), "{talk}");
        if json {
            assert!(shown.contains("\"recovered\":false"), "{shown}");
        } else {
            assert_eq!(shown, "Let me see.\nhalf an \na whole one\n", "{talk}");
        }
    }
}

/// Also one that comes while the chat is busy with what it prints.
#[tokio::test]
async fn ctrl_c_is_heard_amid_a_flood_of_text() {
    let model = ModelServer::start().await;
    model.usually_by(|_| Answer::text(vec!["never "; 20_000]).then_silence());
    let daemon = daemon_of(&model).await;
    for _ in 0..10 {
        let mut chat = started(&mut daemon.command(&["chat", "hi"]));
        let mut out = chat.stdout.take().unwrap();
        out.read_exact(&mut [0; 64]).await.unwrap();
        interrupt(&chat);
        let mut rest = Vec::new();
        let (rest, ended) = tokio::join!(out.read_to_end(&mut rest), chat.wait_with_output());
        rest.unwrap();
        Ended::of(&ended.unwrap()).failed(130, &["stopping", "stopped"]);
    }
}

fn started(command: &mut Command) -> tokio::process::Child {
    let command = std::mem::replace(command, Command::new("true"));
    let mut command = tokio::process::Command::from(command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(process: &tokio::process::Child) {
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

#[tokio::test]
async fn an_unknown_agent_is_named() {
    let model = ModelServer::start().await;
    let daemon = daemon_of(&model).await;
    let ended = run_beside(daemon.command(&["chat", "--session", "agent:nobody:main", "hi"])).await;
    ended.failed(65, &["nobody"]);
}
