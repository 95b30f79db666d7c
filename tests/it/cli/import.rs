//! `import openclaw`: an installation of the older layout, and folders that mean harm.

use std::{fs, path::Path};

use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, ModelServer},
};
use serde_json::{Value, json};

use super::{Ended, home, run, run_beside};

/// A copy of the installation that is checked in.
fn installation() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("it/cli/openclaw/v3"), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn import(home: &Path, folder: &Path, more: &[&str]) -> Ended {
    run(home, &[&["import", "openclaw", folder.to_str().unwrap()], more].concat())
}

/// The records of a session that is here.
fn records(home: &Path, session: &str) -> Vec<Value> {
    let exported = run(home, &["session", "export", session]).ok().out;
    exported.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why a thing was left.
fn why<'a>(report: &'a Value, what: &str) -> Option<&'a str> {
    let named = report["left"].as_array().unwrap();
    named.iter().find(|left| left["what"].as_str().unwrap().contains(what))?["why"].as_str()
}

#[test]
fn conversations_are_taken_with_calls_results_and_times() {
    let (home, folder) = (home(), installation());
    let ended = import(home.path(), folder.path(), &[]).ok();
    assert_eq!(
        ended.out.split_inclusive('\n').take(3).collect::<String>(),
        "imported agent:main:slack:dm:U12: 2 messages\nimported agent:ops:main: 2 messages\n\
         imported agent:main:main: 7 messages\n"
    );
    insta::assert_snapshot!("left", ended.talk);

    let found = records(home.path(), "agent:main:main");
    let told: Vec<_> = found.iter().map(|line| (line["at_ms"].as_u64().unwrap(), &line["record"])).collect();
    let kinds: Vec<_> = told.iter().map(|(at_ms, record)| (*at_ms - 1_769_250_000_000, &record["kind"])).collect();
    assert_eq!(
        json!(kinds),
        json!([
            [0, "accepted"],
            [0, "run_started"],
            [1000, "step"],
            [2000, "tool_result"],
            [3000, "step"],
            [4000, "run_ended"],
            [4000, "accepted"],
            [4000, "run_started"],
            [5000, "step"],
            [5000, "run_ended"],
            [5000, "set"],
        ])
    );
    assert_eq!(
        told[2].1["content"],
        json!([
            { "type": "thinking", "text": "The list is a file." },
            { "type": "toolCall", "id": "call_51", "name": "exec", "input": { "command": "echo milk >> list" } },
        ])
    );
    assert_eq!(told[2].1["usage"]["outputTokens"], 0);
    assert_eq!(told[3].1["call_id"], "call_51");
    assert_eq!(told[3].1["output"], json!({ "content": [{ "type": "text", "text": "written" }], "isError": false }));
    assert_eq!(told[6].1["message"]["content"][1]["mediaType"], "image/png");
    assert_eq!(told[9].1["outcome"], json!({ "type": "ok" }));
    assert_eq!(told[10].1["settings"], json!({ "label": "Shopping", "thinking": "low" }));
    run(home.path(), &["store", "check"]).ok();
}

#[test]
fn a_second_import_doubles_nothing() {
    let (home, folder) = (home(), installation());
    import(home.path(), folder.path(), &[]).ok();
    let before = records(home.path(), "agent:main:main");
    let again = import(home.path(), folder.path(), &["--json"]).ok().json();
    assert_eq!(again["sessions"], json!([]));
    for session in ["agent:main:main", "agent:main:slack:dm:U12", "agent:ops:main"] {
        assert_eq!(why(&again, session), Some("it is here already"), "{again}");
    }
    assert_eq!(records(home.path(), "agent:main:main"), before);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let (home, folder) = (home(), installation());
    let report = |home: &Path, more: &[&str]| {
        let mut report = import(home, folder.path(), &[more, &["--json"]].concat()).ok().json();
        report.as_object_mut().unwrap().remove("dryRun");
        report
    };
    let dry = report(home.path(), &["--dry-run"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    assert_eq!(report(home.path(), &[]), dry);
    assert_eq!(report(home.path(), &["--dry-run"])["sessions"], json!([]));
}

#[tokio::test]
async fn an_imported_conversation_goes_on() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["Bread, too."]));
    let folder = installation();
    let daemon = Setup::with_model("openai", &model.openai_url());
    let mut daemon = daemon.start();
    let busy = run_beside(daemon.command(&["import", "openclaw", folder.path().to_str().unwrap()])).await;
    busy.failed(69, &["in use", "hint: stop the daemon"]);
    daemon.terminate();
    import(daemon.home(), folder.path(), &[]).ok();
    daemon.restart();
    let ended = run_beside(daemon.command(&["chat", "and bread?"])).await.ok();
    assert!(ended.out.contains("Bread, too."), "{ended:#?}");
    let asked = model.requests();
    let told = asked[0].body["messages"].to_string();
    for words in ["put milk on the list", "call_51", "written", "Milk is on the list.", "A pixel.", "and bread?"] {
        assert!(told.contains(words), "{words:?} is missing in {told}");
    }
}

#[test]
fn links_out_of_the_folder_pipes_and_broken_lists_are_named_and_left() {
    let (home, folder, outside) = (home(), installation(), tempfile::tempdir().unwrap());
    let sessions = folder.path().join("agents/main/sessions");
    let slack = sessions.join("9de4e9a3-b6f0-4bfa-bcd1-cd71c7a840b9.jsonl");
    fs::rename(&slack, outside.path().join("secret.jsonl")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.jsonl"), &slack).unwrap();
    let pipe = sessions.join("22222222-aaaa-4bbb-8ccc-dddddddddddd.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir_all(folder.path().join("agents/two/sessions")).unwrap();
    fs::write(folder.path().join("agents/two/sessions/sessions.json"), "[".repeat(1 << 20)).unwrap();
    fs::create_dir_all(folder.path().join("agents/.. x/sessions")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("agents/linked")).unwrap();
    fs::create_dir_all(outside.path().join("sessions")).unwrap();
    fs::copy(sessions.join("sessions.json"), outside.path().join("sessions/sessions.json")).unwrap();

    let report = import(home.path(), folder.path(), &["--json"]).ok().json();
    assert_eq!(why(&report, "transcript of agent:main:slack:dm:U12"), Some("it leads out of the folder"));
    assert_eq!(why(&report, "transcript of agent:main:lost"), Some("it is no file"));
    assert_eq!(why(&report, "agents/linked/sessions/sessions.json"), Some("it leads out of the folder"));
    assert!(
        why(&report, "agents/two/sessions/sessions.json").unwrap().starts_with("it is no list of sessions"),
        "{report}"
    );
    assert!(why(&report, "agents/.. x").unwrap().starts_with("no agent can have this name"), "{report}");
    assert!(why(&report, "agent:main:escape").unwrap().contains("can't name a transcript"), "{report}");
    let taken: Vec<_> = report["sessions"].as_array().unwrap().iter().map(|taken| &taken["session"]).collect();
    assert_eq!(taken, ["agent:ops:main", "agent:main:main"]);
}

#[test]
fn names_in_the_folder_do_not_steer_the_screen() {
    let (home, folder) = (home(), installation());
    let list = folder.path().join("agents/Ops/sessions/sessions.json");
    fs::write(list, r#"{"agent:ops:\u001b[2Jx\u202e:":{"sessionId":"x"}}"#).unwrap();
    let ended = import(home.path(), folder.path(), &[]).ok();
    assert!(ended.talk.contains("\u{fffd}[2Jx") && !ended.talk.contains(['\u{1b}', '\u{202e}']), "{ended:#?}");
}

#[test]
fn other_folders_are_refused_by_what_they_are() {
    let (home, folder) = (home(), installation());
    let database = folder.path().join("agents/main/agent/openclaw-agent.sqlite");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    fs::write(database, "SQLite format 3\0").unwrap();
    let said = ["SQLite (agents/main/agent/openclaw-agent.sqlite)", "only the older one"];
    import(home.path(), folder.path(), &[]).failed(65, &said);
    let empty = tempfile::tempdir().unwrap();
    import(home.path(), empty.path(), &[]).failed(65, &["is no OpenClaw"]);
    import(home.path(), &empty.path().join("none"), &[]).failed(74, &["read the folder"]);
    import(home.path(), Path::new("/dev/null"), &[]).failed(74, &["read the folder"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn the_config_is_proposed_and_written_only_when_that_is_agreed() {
    let (home, folder) = (super::home_with("# mine\n[gateway]\nport = 7301 # not the usual one\n"), installation());
    let config = || fs::read_to_string(home.path().join("config.toml")).unwrap();
    let before = config();
    let dry = import(home.path(), folder.path(), &["--dry-run"]).ok();
    insta::assert_snapshot!(
        "proposed",
        format!("{}---\n{}", dry.out, dry.talk).replace(home.path().to_str().unwrap(), "HOME")
    );
    let ended = import(home.path(), folder.path(), &[]).ok();
    assert!(ended.talk.contains("the config is as it was: --yes writes this"), "{ended:#?}");
    assert_eq!(config(), before);

    let written = import(home.path(), folder.path(), &["--yes", "--json"]).ok().json();
    assert_eq!(written["config"]["written"], true);
    assert!(config().starts_with(&before), "{}", config());
    let shown = run(home.path(), &["config", "show"]).ok().out;
    for line in ["agents[0].id = \"ops\"", "agents[1].model = \"mock-1\"", "bindings[0].peer = \"channel:C1\""] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    // Nothing is granted, and nothing doubled.
    assert!(!config().contains("tools") && !config().contains("plugins"), "{}", config());
    let after = config();
    let again = import(home.path(), folder.path(), &["--yes", "--json"]).ok().json();
    assert_eq!(again["config"]["adds"], json!([]));
    assert_eq!(config(), after);
}

#[test]
fn secrets_of_its_config_are_named_and_go_nowhere() {
    let (home, folder) = (home(), installation());
    let ended = import(home.path(), folder.path(), &["--yes"]).ok();
    let config = fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(!format!("{ended:?}{config}").contains("canary"), "{ended:#?}{config}");
    for said in [
        "models.providers.mock.apiKey: set EXOCLAW_MOCK_API_KEY",
        "gateway.auth.token: `exoclawd token create NAME`",
        "channels.telegram.botToken: `exoclawd secret set telegram-bottoken`",
        "channels.slack.accounts.work.botToken: `exoclawd secret set slack-accounts-work-bottoken`",
        "env.OPENROUTER_API_KEY: ",
    ] {
        assert!(ended.talk.contains(said), "{said:?} is missing in {ended:#?}");
    }
    assert!(!home.path().join("credentials").exists());
}

#[test]
fn a_config_that_is_deep_large_or_elsewhere_keeps_no_conversation_from_being_read() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.json"), "{}").unwrap();
    for (text, said) in [
        (Some("[".repeat(1 << 20)), "more than 64 levels"),
        (Some("x".repeat(5 << 20)), "more than"),
        (None, "leads out"),
    ] {
        let (home, folder) = (home(), installation());
        let file = folder.path().join("clawdbot.json");
        fs::remove_file(&file).unwrap();
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => std::os::unix::fs::symlink(outside.path().join("x.json"), &file).unwrap(),
        }
        let report = import(home.path(), folder.path(), &["--json"]).ok().json();
        assert!(why(&report, "clawdbot.json").unwrap().contains(said), "{report}");
        assert_eq!(report["sessions"].as_array().unwrap().len(), 3);
    }
}
