//! The example for Slack, against a fake of its Web API.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use exoclaw_protocol::SessionListParams;
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
};
use ring::hmac;
use serde_json::{Value, json};

use super::platform::{Answered, Platform, Reply, send};
use crate::network::packed_for;

const TOKEN: &str = "xoxb-0123456789-canary";
const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn setup(model: &ModelServer, platform: &Platform, folder: &Path) -> Setup {
    let port = platform.port;
    let grants = format!(
        "http = [\"POST http://127.0.0.1:{port}/api/chat.postMessage\"]\nhttp-private = [\"127.0.0.1:{port}\"]\n\
         env = [\"SLACK_API\"]\nsecrets = [\"slack\", \"slack-signing\"]"
    );
    Setup::with_model("openai", &model.openai_url())
        .and_config("\n[[agents]]\nid = \"team\"\nprovider = \"test\"\nmodel = \"test-model\"\n")
        .plugin("slack", &packed_for("slack", port, folder), &grants)
        .and_config("\n[[channels]]\nname = \"slack\"\nplugin = \"slack\"\n")
        .and_config("\n[[bindings]]\nagent = \"team\"\nchannel = \"slack\"\nteam = \"T1\"\n")
        .env("SLACK_API", &format!("http://127.0.0.1:{port}"))
        .secret("slack", TOKEN)
        .secret("slack-signing", SIGNING)
}

#[expect(clippy::disallowed_methods, reason = "Slack signs the time of the world")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signature(key: &str, time: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signed = hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
    let digits: String = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={digits}")
}

fn post(daemon: &Daemon, time: u64, signature: &str, body: &str, retry: Option<&str>) -> Answered {
    let time = time.to_string();
    let mut headers = vec![
        ("X-Slack-Request-Timestamp", time.as_str()),
        ("X-Slack-Signature", signature),
        ("Content-Type", "application/json"),
    ];
    headers.extend(retry.map(|number| ("X-Slack-Retry-Num", number)));
    send(daemon.address(), "POST /webhook/slack", &headers, body.as_bytes())
}

fn tell(daemon: &Daemon, told: &Value, retry: Option<&str>) -> Answered {
    let (time, body) = (now(), told.to_string());
    post(daemon, time, &signature(SIGNING, time, &body), &body, retry)
}

fn event(kind: &str, team: &str, channel_type: &str, ts: &str, text: &str) -> Value {
    json!({ "type": "event_callback", "team_id": team, "event_id": format!("Ev{kind}{ts}"), "event": {
        "type": kind, "user": "U1", "text": text, "channel": "C1", "channel_type": channel_type, "ts": ts,
    } })
}

async fn sessions(daemon: &Daemon) -> Vec<String> {
    let listed = daemon.client().request(SessionListParams::default()).await.unwrap();
    let mut keys: Vec<_> = listed.sessions.iter().map(|info| info.session.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_over_slack() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let asked =
        tell(&daemon, &json!({ "type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY" }), None);
    assert_eq!((asked.status, asked.body.as_str()), (200, "3eZbrw1aBm2rZgRNFdxV2595E9CY"));
    assert!(asked.head.contains("\r\ncontent-type: text/plain\r\n"), "{asked:?}");

    model.answer(Answer::text(["In a thread."])).answer(Answer::text(["In private."]));
    let mention = event("app_mention", "T1", "channel", "17.1", "<@UBOT> what is new?");
    assert_eq!(tell(&daemon, &mention, None).status, 200);
    // Slack did not hear that in time, and tells the message beside the mention.
    assert_eq!(tell(&daemon, &mention, Some("1")).status, 200);
    assert_eq!(tell(&daemon, &event("message", "T1", "channel", "17.1", "<@UBOT> what is new?"), None).status, 200);
    let said = platform.was_asked(1).await;
    assert_eq!(said[0].path(), "/api/chat.postMessage");
    assert_eq!(said[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(said[0].body, json!({ "channel": "C1", "text": "In a thread.", "thread_ts": "17.1" }));

    assert_eq!(tell(&daemon, &event("message", "T2", "im", "18.1", "psst"), None).status, 200);
    let said = platform.was_asked(2).await;
    assert_eq!(said[1].body, json!({ "channel": "C1", "text": "In private." }));
    // What bots write, and what only tells of changes, is no message.
    let mut bot = event("message", "T1", "channel", "19.1", "beep");
    bot["event"]["bot_id"] = "B1".into();
    let mut edit = event("message", "T1", "channel", "20.1", "was edited");
    edit["event"]["subtype"] = "message_changed".into();
    for told in [bot, edit, json!({ "type": "app_rate_limited" })] {
        assert_eq!(tell(&daemon, &told, None).status, 200, "{told}");
    }
    // The workspace's binding chose the agent of the first.
    assert_eq!(sessions(&daemon).await, ["agent:main:slack:team:T2:dm:U1", "agent:team:slack:team:T1:channel:C1"]);
    let heard: Vec<_> = model.requests().iter().map(|request| request.body.to_string()).collect();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].contains("U1: what is new?"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_did_not_sign_lately_is_refused() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let (time, body) = (now(), event("message", "T1", "im", "17.1", "let me in").to_string());
    let good = signature(SIGNING, time, &body);
    let old = time - Duration::from_secs(6 * 60).as_secs();
    let other = body.replace("let me in", "let us in");
    let forged = [
        (time, signature("another secret of theirs", time, &body), &body),
        (time + 1, good.clone(), &body),
        (time, good.clone(), &other),
        (time, good[..good.len() - 1].to_owned(), &body),
        (time, good.replacen("v0=", "v1=", 1), &body),
        (time, String::new(), &body),
        (old, signature(SIGNING, old, &body), &body),
    ];
    for (time, signature, body) in forged {
        let refused = post(&daemon, time, &signature, body, None);
        assert_eq!(refused.status, 401, "{time} {signature}: {refused:?}");
    }
    assert_eq!(sessions(&daemon).await, [""; 0]);
    assert_eq!((model.requests().len(), platform.asked().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_slack_are_told_apart() {
    let (model, platform, folder) = (ModelServer::start().await, Platform::start(), tempfile::tempdir().unwrap());
    let daemon = setup(&model, &platform, folder.path()).start();
    let limited =
        Reply { headers: "retry-after: 1\r\n", ..Reply::json(429, json!({ "ok": false, "error": "ratelimited" })) };
    platform.reply(limited).reply(Reply::json(200, json!({ "ok": false, "error": "is_archived" })));
    model.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    assert_eq!(tell(&daemon, &event("message", "T2", "im", "17.1", "a"), None).status, 200);
    assert_eq!(tell(&daemon, &event("message", "T2", "im", "17.2", "b"), None).status, 200);
    let asked = platform.was_asked(3).await;
    let texts: Vec<_> = asked.iter().map(|asked| asked.text()).collect();
    assert_eq!(texts, ["one", "one", "two"], "the first is tried again, and given up");
}
