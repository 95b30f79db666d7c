//! The example for Telegram, against a fake of its Bot API.

use std::path::Path;

use exoclaw_protocol::{ChannelInfo, ChannelListParams, SessionInfo, SessionListParams};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, Gate, ModelServer},
    wait::wait_for,
};
use serde_json::{Value, json};

use super::platform::{Answered, PATIENCE, Platform, Reply, send};
use crate::network::{files_with, packed_for};

const BOT: &str = "123456:ABC-DEF1234ghIkl_canary";
pub(super) const HOOK: &str = "hook-secret_canary-1";

pub(super) fn setup(model: &ModelServer, platform: &Platform, folder: &Path) -> Setup {
    let port = platform.port;
    let grants = format!(
        "http = [\"POST http://127.0.0.1:{port}/sendMessage\"]\nhttp-private = [\"127.0.0.1:{port}\"]\n\
         env = [\"TELEGRAM_API\"]\nsecrets = [\"telegram\", \"telegram-webhook\"]"
    );
    Setup::with_model("openai", &model.openai_url())
        .plugin("telegram", &packed_for("telegram", port, folder), &grants)
        .and_config("\n[[channels]]\nname = \"telegram\"\nplugin = \"telegram\"\naccount = \"bot\"\n")
        .env("TELEGRAM_API", &format!("http://127.0.0.1:{port}"))
        .secret("telegram", BOT)
        .secret("telegram-webhook", HOOK)
}

/// What Telegram tells of a message in a private chat.
pub(super) fn update(id: i64, text: &str) -> Value {
    json!({ "update_id": 1000 + id, "message": {
        "message_id": id, "date": 1_800_000_000, "text": text,
        "chat": { "id": 42, "type": "private", "first_name": "Ann" }, "from": { "id": 42, "is_bot": false, "first_name": "Ann" },
    } })
}

pub(super) const HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

pub(super) fn tell(daemon: &Daemon, update: &Value) -> Answered {
    send(daemon.address(), "POST /webhook/telegram", &[(HEADER, HOOK)], update.to_string().as_bytes())
}

#[track_caller]
fn told(daemon: &Daemon, update: &Value) {
    let answered = tell(daemon, update);
    assert_eq!(answered.status, 200, "{answered:?}");
}

async fn sessions(daemon: &Daemon) -> Vec<SessionInfo> {
    daemon.client().request(SessionListParams::default()).await.unwrap().sessions
}

async fn channel(daemon: &Daemon) -> ChannelInfo {
    daemon.client().request(ChannelListParams {}).await.unwrap().channels.remove(0)
}

/// Waits until nothing is left to deliver.
async fn delivered(daemon: &Daemon) -> ChannelInfo {
    let client = daemon.client();
    loop {
        let mut listed = client.request(ChannelListParams {}).await.unwrap();
        let channel = listed.channels.remove(0);
        if channel.backlog == 0 {
            return channel;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_over_telegram() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let mut daemon = setup(&model, &platform, folder.path()).start();
    model.answer(Answer::text(["Hello ", "Ann."])).answer(Answer::text(["Still here."]));
    told(&daemon, &update(1, "Hello?"));
    let asked = platform.was_asked(1).await;
    assert_eq!(asked[0].path(), format!("/bot{BOT}/sendMessage"));
    assert_eq!(asked[0].body, json!({ "chat_id": 42, "text": "Hello Ann." }));
    assert!(asked[0].header("idempotency-key").is_some(), "{asked:?}");
    delivered(&daemon).await;
    let run = asked[0].header("idempotency-key").unwrap();
    let shown = String::from_utf8(daemon.command(&["run", "show", run]).output().unwrap().stdout).unwrap();
    assert!(shown.contains("told      the answer was delivered"), "{shown}");

    // What is told again is not heard again.
    told(&daemon, &update(1, "Hello?"));
    told(&daemon, &update(2, "Are you there?"));
    let asked = platform.was_asked(2).await;
    assert_eq!(asked[1].text(), "Still here.");
    assert_eq!(model.requests().len(), 2);
    let channel = delivered(&daemon).await;
    assert!(channel.last_in_ms.is_some() && channel.last_out_ms.is_some() && channel.error.is_none(), "{channel:?}");

    // What has no words, and what bots write, is no message.
    let photo = json!({ "update_id": 9, "message": { "message_id": 3, "chat": { "id": 42, "type": "private" } } });
    told(&daemon, &photo);
    let [session] = &sessions(&daemon).await[..] else { panic!("one session") };
    assert_eq!(session.session.as_str(), "agent:main:telegram:account:bot:dm:42");
    assert_eq!((session.messages, session.to.as_deref()), (2, Some("42")));
    let origin = session.origin.as_ref().unwrap();
    assert_eq!((origin.channel.as_str(), origin.account.as_deref()), ("telegram", Some("bot")));

    let list = daemon.command(&["channel", "list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("telegram  plugin telegram, account bot") && list.contains("to be delivered 0"), "{list}");

    assert!(daemon.terminate().success(), "{}", daemon.log());
    for secret in [BOT, HOOK] {
        assert!(!daemon.log().contains(secret), "{}", daemon.log());
        let mut found = Vec::new();
        files_with(daemon.home(), secret, &mut found);
        let name = if secret == BOT { "telegram.secret" } else { "telegram-webhook.secret" };
        assert_eq!(found, [daemon.home().join("credentials").join(name)]);
        assert!(model.requests().iter().all(|request| !request.body.to_string().contains(secret)));
    }
    model.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_telegrams_is_refused_and_nothing_of_it_kept() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let body = update(1, "let me in").to_string();
    let ask = |line: &str, headers: &[(&str, &str)], body: &[u8]| send(daemon.address(), line, headers, body);
    let post = "POST /webhook/telegram";
    assert_eq!(ask("POST /webhook/other", &[(HEADER, HOOK)], body.as_bytes()).status, 404);
    assert_eq!(ask("POST /webhook/", &[(HEADER, HOOK)], body.as_bytes()).status, 405);
    let wrong = ask("PUT /webhook/telegram", &[(HEADER, HOOK)], body.as_bytes());
    assert_eq!((wrong.status, wrong.head.contains("\r\nallow: post\r\n")), (405, true), "{wrong:?}");
    assert_eq!(ask("GET /webhook/telegram", &[], b"").status, 405);
    assert_eq!(ask(post, &[(HEADER, HOOK)], &vec![b'x'; 1024 * 1024 + 1]).status, 413);
    for body in [&b"{"[..], b"[]", b"\xff\xfe", b"{\"message\":{\"message_id\":\"x\"}}"] {
        assert_eq!(ask(post, &[(HEADER, HOOK)], body).status, 400, "{body:?}");
    }
    assert_eq!(ask(post, &[(HEADER, HOOK), ("origin", "https://evil.example")], body.as_bytes()).status, 403);
    let forged: [&[(&str, &str)]; 5] = [
        &[],
        &[(HEADER, "")],
        &[(HEADER, "hook-secret_canary-2")],
        &[(HEADER, "[secret telegram-webhook]")],
        &[(HEADER, HOOK), (HEADER, HOOK)],
    ];
    for headers in forged {
        let refused = ask(post, headers, body.as_bytes());
        assert_eq!(refused.status, 401, "{headers:?} {refused:?}");
    }
    assert_eq!(sessions(&daemon).await, []);
    assert_eq!(channel(&daemon).await.last_in_ms, None);

    // Whoever goes on is not even looked at.
    let refused = wait_for(PATIENCE, || {
        let refused = ask(post, &[], body.as_bytes());
        if refused.status == 429 { Ok(refused) } else { Err(refused) }
    })
    .await;
    assert!(refused.head.contains("\r\nretry-after: "), "{refused:?}");
    assert_eq!(sessions(&daemon).await, []);
    assert_eq!((model.requests().len(), platform.asked().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_asks_to_wait_is_asked_again_in_order() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let later = json!({ "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
                        "parameters": { "retry_after": 1 } });
    platform.reply(Reply::json(429, later)).reply(Reply::json(502, json!("no JSON of theirs")));
    model.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    told(&daemon, &update(1, "a"));
    told(&daemon, &update(2, "b"));
    let asked = platform.was_asked(4).await;
    let texts: Vec<_> = asked.iter().map(|asked| asked.text()).collect();
    assert_eq!(texts, ["one", "one", "one", "two"]);
    let keys: Vec<_> = asked.iter().map(|asked| asked.header("idempotency-key").unwrap()).collect();
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3], "{keys:?}");
    assert_eq!(delivered(&daemon).await.error, None);
    assert_eq!(platform.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_blocked_the_bot_is_not_written_to_again() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let blocked = json!({ "ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user" });
    platform.reply(Reply::json(403, blocked));
    model.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    told(&daemon, &update(1, "a"));
    platform.was_asked(1).await;
    let channel = delivered(&daemon).await;
    assert_eq!(channel.error.as_deref(), Some("Telegram answered 403: Forbidden: bot was blocked by the user"));
    wait_for(PATIENCE, || {
        let audit = daemon.command(&["audit", "tail", "--json"]).output().unwrap();
        let audit = String::from_utf8(audit.stdout).unwrap();
        let is_told = |line: &str| line.contains("\"deliver\"") && line.contains("\"failed\"");
        if audit.lines().any(is_told) { Ok(()) } else { Err(audit) }
    })
    .await;
    told(&daemon, &update(2, "b"));
    let asked = platform.was_asked(2).await;
    assert_eq!(asked[1].text(), "two", "the first one is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_answered_after_a_kill() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let mut daemon = setup(&model, &platform, folder.path()).start();
    let gate = Gate::new();
    model.answer(Answer::text(["never"]).after(&gate)).answer(Answer::text(["Here I am."]));
    told(&daemon, &update(1, "Are you there?"));
    gate.reached().await;
    tokio::task::block_in_place(|| {
        daemon.kill9();
        daemon.restart();
    });
    gate.open();
    let asked = platform.was_asked(1).await;
    assert_eq!(asked[0].text(), "Here I am.");
    delivered(&daemon).await;
    told(&daemon, &update(1, "Are you there?"));
    assert_eq!(sessions(&daemon).await[0].messages, 1);
    assert_eq!(platform.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_kill_cut_off_is_sent_again_under_its_key() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let mut daemon = setup(&model, &platform, folder.path()).start();
    platform.reply(Reply { held: true, ..Reply::json(200, json!({ "ok": true, "result": { "message_id": 1 } })) });
    model.answer(Answer::text(["Here I am."]));
    told(&daemon, &update(1, "Are you there?"));
    platform.was_asked(1).await;
    tokio::task::block_in_place(|| {
        daemon.kill9();
        daemon.restart();
    });
    platform.release();
    let asked = platform.was_asked(2).await;
    assert_eq!(asked[0].body, asked[1].body);
    assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
    delivered(&daemon).await;
    assert_eq!((platform.asked().len(), model.requests().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_come_in_pieces_and_stop_words_stop() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let long = "žluťoučký kůň 🐎 ".repeat(600);
    let gate = Gate::new();
    model.answer(Answer::text([long.clone()])).answer(Answer::text(["never"]).after(&gate));
    told(&daemon, &update(1, "tell me a lot"));
    let pieces = long.encode_utf16().count().div_ceil(4096);
    let asked = platform.was_asked(pieces).await;
    assert!(asked.iter().all(|asked| asked.text().encode_utf16().count() <= 4096));
    let texts: Vec<_> = asked.iter().map(|asked| asked.text()).collect();
    assert_eq!(texts.join(" "), long.trim());
    delivered(&daemon).await;

    told(&daemon, &update(2, "go on"));
    gate.reached().await;
    told(&daemon, &update(3, "/stop"));
    gate.open();
    model.answer(Answer::text(["Back."]));
    told(&daemon, &update(4, "and now?"));
    let asked = platform.was_asked(pieces + 1).await;
    assert_eq!(asked[pieces].text(), "Back.", "what was stopped is not answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_is_apologised_for() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    model.answer(Answer::status(401, &json!({ "error": { "message": "the key sk-secret is wrong" } })));
    told(&daemon, &update(1, "Hello?"));
    let asked = platform.was_asked(1).await;
    assert_eq!(asked[0].text(), "I can't answer that at present (provider_auth).");
    // In a group, the agent is told who says what, and a topic keeps its answers.
    model.answer(Answer::text(["Hello both."]));
    let group = json!({ "update_id": 5, "message": {
        "message_id": 7, "text": "Hello!", "is_topic_message": true, "message_thread_id": 3,
        "chat": { "id": -100, "type": "supergroup" }, "from": { "id": 42, "is_bot": false, "first_name": "Ann" },
    } });
    told(&daemon, &group);
    let asked = platform.was_asked(2).await;
    assert_eq!(asked[1].body, json!({ "chat_id": -100, "message_thread_id": 3, "text": "Hello both." }));
    let last = model.requests().pop().unwrap().body.to_string();
    assert!(last.contains("Ann: Hello!"), "{last}");
}
