//! `store` and `session`, beside a daemon and without one.

use std::{fs, path::Path};

use exoclaw_tests::{
    daemon::{Daemon, Setup, exoclawd},
    model::{Answer, ModelServer},
};
use serde_json::json;

use super::{home, run, run_beside, run_with_input};

/// A daemon that has answered one message.
async fn daemon() -> (Daemon, ModelServer) {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["Noted."]));
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    run_beside(daemon.command(&["chat", "remember milk"])).await.ok();
    (daemon, model)
}

/// Changes one byte in the middle of a text that is kept.
fn damage(home: &Path, text: &str) {
    let store = home.join("store.db");
    let mut bytes = fs::read(&store).unwrap();
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[place + 1] ^= 1;
    fs::write(&store, bytes).unwrap();
}

#[tokio::test]
async fn a_backup_is_made_beside_the_daemon_and_restored_without_it() {
    let (daemon, _model) = daemon().await;
    let copy = daemon.home().join("copy");
    let copy = copy.to_str().unwrap();
    let made = run_beside(daemon.command(&["store", "backup", copy, "--json"])).await.ok().json();
    assert_eq!((&made["lastRecord"], &made["sessions"]), (&json!(4), &json!(1)));
    run_beside(daemon.command(&["store", "backup", copy])).await.failed(1, &["is there already"]);
    let checked = run_beside(daemon.command(&["store", "check"])).await.ok();
    assert_eq!(checked.out, "ok (1 sessions, 4 records, 1 runs, 0 values)\n");
    run_beside(daemon.command(&["store", "restore", copy])).await.failed(69, &["in use", "hint: stop the daemon"]);

    let new = home();
    run(new.path(), &["store", "restore", copy]).ok();
    run(new.path(), &["store", "restore", copy]).failed(1, &["is not empty", "hint: --replace"]);
    run(new.path(), &["store", "restore", copy, "--replace"]).ok();
    let exported = run(new.path(), &["session", "export", "agent:main:main"]).ok().out;
    assert!(exported.contains("remember milk") && exported.contains("Noted."), "{exported}");
    assert_eq!(exported.lines().count(), 5);
}

#[tokio::test]
async fn damage_is_named_and_put_aside() {
    let (mut daemon, _model) = daemon().await;
    let before = run_beside(daemon.command(&["session", "export", "main"])).await.ok().out;
    daemon.terminate();
    let home = daemon.home();
    run(home, &["store", "check"]).ok();
    damage(home, "remember milk");
    let named = "record 1 of session agent:main:main: its checksum does not match";
    let checked = run(home, &["store", "check"]);
    assert_eq!(checked.code, Some(65), "{checked:?}");
    assert_eq!(checked.out.lines().next(), Some(named));
    let checked = run(home, &["store", "check", "--json"]).json();
    assert_eq!(checked["problems"][0]["seq"], 1);

    let exported = run(home, &["session", "export", "agent:main:main"]).failed(65, &["left out: ", named]);
    assert_eq!(exported.out.lines().count(), before.lines().count() - 1);
    assert_eq!(run(home, &["store", "rebuild"]).code, Some(65));
    let import = run_with_input(command(home, &["session", "import", "--session", "agent:main:saved"]), &before).await;
    assert_eq!(import.ok().out, "imported agent:main:saved: 4 records\n");
    let saved = run(home, &["session", "export", "agent:main:saved"]).ok().out;
    assert_eq!(saved, before.replace("agent:main:main", "agent:main:saved"));
}

fn command(home: &Path, args: &[&str]) -> std::process::Command {
    let mut command = exoclawd(home);
    command.args(args);
    command
}

#[tokio::test]
async fn files_of_conversations_are_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let (daemon, _model) = daemon().await;
    let file = daemon.home().join("main.jsonl");
    let path = file.to_str().unwrap();
    run_beside(daemon.command(&["session", "export", "main", path])).await.ok();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    run_beside(daemon.command(&["session", "export", "main", path])).await.failed(74, &["create"]);
    run_beside(daemon.command(&["session", "export", "none"])).await.failed(1, &["no session agent:main:none"]);
    run_beside(daemon.command(&["session", "import", path])).await.failed(69, &["in use"]);
    let other = home();
    run(other.path(), &["store", "check"]).failed(74, &["open", "hint: a home has a store once"]);
    run(other.path(), &["session", "import", path]).ok();
    run(other.path(), &["session", "import", path]).failed(1, &["is there already", "hint: --session"]);
}
