//! Channels on the command line: what they are, and tried without a platform that writes.

use exoclaw_tests::{
    daemon::{Daemon, exoclawd},
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::json;

use super::{
    platform::{Platform, Reply, send},
    telegram::{HEADER, HOOK, setup, tell, update},
};
use crate::cli::{Ended, run_beside};

async fn ran(daemon: &Daemon, platform: &Platform, args: &[&str]) -> Ended {
    let mut command = daemon.command(args);
    command.env("TELEGRAM_API", format!("http://127.0.0.1:{}", platform.port));
    run_beside(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_tried_by_hand() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    for args in [&["plugin", "list"][..], &["plugin", "inspect", "telegram"]] {
        let shown = ran(&daemon, &platform, args).await.ok().out;
        assert!(shown.contains("a channel: people on another platform"), "{shown}");
        assert!(shown.contains("secret telegram-webhook to check who wrote"), "{shown}");
        assert!(shown.contains("secret telegram in paths towards 127.0.0.1"), "{shown}");
    }
    let file = folder.path().join("update.http");
    let request =
        |secret: &str| format!("POST /webhook/telegram HTTP/1.1\r\n{HEADER}: {secret}\r\n\r\n{}", update(1, "Hello?"));
    std::fs::write(&file, request(HOOK)).unwrap();
    let path = file.display().to_string();
    let made = ran(&daemon, &platform, &["plugin", "call", "telegram", "receive", &path]).await.ok().json();
    let message = &made["messages"][0];
    assert_eq!(
        (&message["text"], &message["to"], &made["response"]["status"]),
        (&json!("Hello?"), &json!("42"), &json!(200))
    );
    std::fs::write(&file, request("another")).unwrap();
    let refused = ran(&daemon, &platform, &["plugin", "call", "telegram", "receive", &path]).await;
    refused.failed(1, &["the request is not the platform's", "secrets that are granted"]);
    std::fs::write(&file, "GET / HTTP/1.1\n\n").unwrap();
    let wrong = ran(&daemon, &platform, &["plugin", "call", "telegram", "receive", &path]).await;
    wrong.failed(65, &["it is no POST", "want an HTTP request"]);
    assert_eq!(platform.asked().len(), 0);

    let told = json!({ "to": "42", "text": "by hand" }).to_string();
    let sent = ran(&daemon, &platform, &["plugin", "call", "telegram", "send", &told]).await.ok().json();
    assert_eq!(sent["sent"], true);
    assert_eq!(platform.asked()[0].text(), "by hand");
    platform.reply(Reply::json(403, json!({ "ok": false, "error_code": 403, "description": "Forbidden" })));
    ran(&daemon, &platform, &["plugin", "call", "telegram", "send", &told]).await.failed(1, &["never", "Forbidden"]);
    let unknown = ran(&daemon, &platform, &["plugin", "call", "telegram", "now"]).await;
    unknown.failed(65, &["a channel has no \"now\"", "receive FILE", "send '"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_added_for_nobody_yet() {
    let home = tempfile::tempdir().unwrap();
    let file = plugins::example("telegram").display().to_string();
    let added = |args: &[&str]| {
        let mut command = exoclawd(home.path());
        command.args([&["plugin", "add", &file, "--yes"], args].concat());
        run_beside(command)
    };
    let done = added(&[]).await.ok();
    let all = format!("{}{}", done.out, done.talk);
    for words in [
        "a channel: people on another platform",
        "the secret telegram is not there and not granted",
        "nobody can write through it yet: add [[channels]] with a name and plugin = \"telegram\"",
    ] {
        assert!(all.contains(words), "{words:?} is missing in {all}");
    }
    assert!(!all.contains("agent's tools"), "{all}");
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    std::fs::write(
        home.path().join("config.toml"),
        format!(
            "{config}\n[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"\n[providers.p]\nkind = \"demo\"\n"
        ),
    )
    .unwrap();
    added(&["--agent", "main"]).await.failed(2, &["telegram is a channel: neither main nor any other agent calls it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_for_a_channel_is_limited_and_what_is_forged_is_not_counted() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    // Three requests of 10 units, and the next one far from now.
    let rates = "\n[limits]\nconnection = { burst = 39, per_second = 1 }\n";
    let daemon = setup(&model, &platform, folder.path()).and_config(rates).start();
    model.usually(Answer::text(["fine"]));
    for _ in 0..5 {
        let forged = send(daemon.address(), "POST /webhook/telegram", &[(HEADER, "another")], b"{}");
        assert_eq!(forged.status, 401, "{forged:?}");
    }
    for id in 1..=3 {
        assert_eq!(tell(&daemon, &update(id, "hi")).status, 200);
    }
    let refused = tell(&daemon, &update(4, "hi"));
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.head.contains("\r\nretry-after: "), "{refused:?}");
    platform.was_asked(3).await;
}
