//! The audit trail of a real daemon, and its commands.

use std::{fs, path::Path};

use exoclaw_tests::daemon::Setup;
use serde_json::Value;

use super::{Ended, run};

/// A home with a daemon that was started and stopped, with one token made while it ran and one after.
fn home() -> exoclaw_tests::daemon::Daemon {
    let mut daemon = Setup::with_config(
        "[providers.p]\nkind = \"demo\"\n[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"\n",
    )
    .start();
    run(daemon.home(), &["token", "create", "phone"]).ok();
    assert!(daemon.terminate().success(), "{}", daemon.log());
    run(daemon.home(), &["token", "create", "later"]).ok();
    daemon
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn newest(home: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(home.join("audit")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max().unwrap()
}

#[test]
fn the_trail_is_that_of_the_daemon_that_runs() {
    let daemon = Setup::demo().start();
    run(daemon.home(), &["token", "create", "phone"]).ok();
    let shown = run(daemon.home(), &["audit", "tail"]).ok().out;
    assert!(shown.contains("allowed  token create"), "{shown}");
    assert!(run(daemon.home(), &["audit", "verify"]).ok().out.contains("all as they were written"));
}

#[test]
fn what_happened_is_shown_exported_and_checked() {
    let daemon = home();
    let home = daemon.home();
    let told = lines(&run(home, &["audit", "tail", "--json"]).ok());
    let told: Vec<String> = told
        .iter()
        .map(|record| {
            ["what", "action", "decision", "who", "object"].map(|key| record[key].as_str().unwrap_or("-")).join(" ")
        })
        .map(|line| line.replace(&home.join("config.toml").display().to_string(), "CONFIG"))
        .collect();
    assert_eq!(
        told,
        [
            "trail begin allowed - -",
            &format!("daemon start allowed owner {}", env!("CARGO_PKG_VERSION")),
            "config read allowed owner CONFIG",
            "authentication upgrade allowed owner -",
            "token create allowed owner phone",
            "daemon stop allowed - -",
            "token create allowed owner later",
        ]
    );
    let shown = run(home, &["audit", "tail", "-n", "1"]).ok().out;
    assert!(shown.contains("allowed  token create") && shown.lines().count() == 1, "{shown}");
    assert!(run(home, &["audit", "verify"]).ok().out.starts_with("7 records, 1 to 7: all as they were written"));

    let events = lines(&run(home, &["audit", "export", "--format", "ocsf"]).ok());
    assert_eq!(events.len(), 7);
    for event in &events {
        assert_eq!(
            event["type_uid"],
            event["class_uid"].as_u64().unwrap() * 100 + event["activity_id"].as_u64().unwrap()
        );
        assert_eq!(event["category_uid"], event["class_uid"].as_u64().unwrap() / 1000);
        assert!(event["time"].is_u64() && event["severity_id"].is_u64() && event["metadata"]["version"] == "1.3.0");
    }
    assert_eq!((&events[4]["type_uid"], &events[4]["user"]["name"]), (&300_101.into(), &"phone".into()));
    let file = home.join("out.jsonl");
    run(home, &["audit", "export", file.to_str().unwrap(), "--from", "5"]).ok();
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 3);
}

#[test]
fn a_changed_trail_is_found_and_told() {
    let daemon = home();
    let file = newest(daemon.home());
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("phone", "other")).unwrap();
    let ended = run(daemon.home(), &["audit", "verify"]);
    assert!(ended.out.contains("record 5, or what stood before it, was changed"), "{ended:#?}");
    ended.failed(65, &["the audit trail was changed"]);
    let ended = run(daemon.home(), &["audit", "verify", "--json"]);
    assert_eq!((ended.code, &ended.json()["sound"]), (Some(65), &Value::Bool(false)));

    fs::write(&file, text.lines().take(4).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let ended = run(daemon.home(), &["audit", "verify"]);
    assert!(ended.out.contains("the newest records are missing: 7 was written, 4 is the last"), "{ended:#?}");
}
