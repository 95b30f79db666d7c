//! Calls that wait to be allowed, through the whole product.

use exoclaw_client::{Client, Options, Push, Pushes, RequestError};
use exoclaw_protocol::{
    Approval, ApprovalListParams, ApprovalResolveParams, ChatSendParams, ErrorCode, Event, Secret,
    SessionSubscribeParams, Verdict,
};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
    plugins,
};
use futures::StreamExt;
use serde_json::json;

use super::run_beside;

async fn requested(pushes: &mut Pushes) -> Approval {
    loop {
        if let Push::Event(event) = pushes.next().await.unwrap()
            && let Event::ApprovalRequested { approval } = &event.event
        {
            return approval.clone();
        }
    }
}

async fn ended(pushes: &mut Pushes) {
    while !matches!(pushes.next().await.unwrap(), Push::Event(event) if event.event.is_terminal()) {}
}

async fn with_scope(daemon: &Daemon, scope: &str) -> Client {
    let token = run_beside(daemon.command(&["token", "create", scope, "--scope", scope])).await.ok().out;
    Client::connect(daemon.endpoint().with_token(Secret::new(token.trim())), Options::default())
}

#[tokio::test]
async fn a_call_waits_across_a_crash_until_it_is_allowed() {
    let notes = tempfile::tempdir().unwrap();
    let file = notes.path().join("notes.md");
    let model = ModelServer::start().await;
    let input = json!({ "text": "milk\u{1b}[2J" });
    model.answer(Answer::call("a", "notes__append", &input)).answer(Answer::text(["Noted."]));
    model.answer(Answer::call("b", "notes__append", &json!({ "text": "no" }))).answer(Answer::text(["So be it."]));
    let fs = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, notes.path().display());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs);
    let mut daemon = setup.and_config("[approvals]\nask = [\"notes.append\"]\n").start();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    client.request(ChatSendParams::text("main".parse().unwrap(), "remember milk")).await.unwrap();
    let asked = requested(&mut pushes).await;
    assert_eq!((asked.tool.as_str(), &asked.input), ("notes.append", &input));
    client.close().await;

    daemon.kill9();
    daemon.restart();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    let params = SessionSubscribeParams { session: "main".parse().unwrap(), epoch: None, seq: None };
    let subscribed = client.request(params).await.unwrap();
    let waiting = subscribed.snapshot.unwrap().run.map(|run| run.approvals).unwrap_or_default();
    let again = match waiting.into_iter().next() {
        Some(approval) => approval,
        None => requested(&mut pushes).await,
    };
    assert_eq!(again, asked);
    assert!(!file.exists(), "a call was made that nobody allowed");

    // Whoever talks to the agent does not answer for it; whoever answers for it does not talk to it.
    let allow = ApprovalResolveParams::new(&asked, Verdict::Allow);
    for scope in ["chat", "read"] {
        let refused = with_scope(&daemon, scope).await.request(allow.clone()).await.unwrap_err();
        assert!(matches!(&refused, RequestError::Rpc(error) if error.code == ErrorCode::Forbidden), "{refused}");
    }
    let approver = with_scope(&daemon, "approve").await;
    assert_eq!(approver.request(ApprovalListParams::default()).await.unwrap().approvals, std::slice::from_ref(&asked));
    let sent = approver.request(ChatSendParams::text("main".parse().unwrap(), "hi")).await.unwrap_err();
    assert!(matches!(&sent, RequestError::Rpc(error) if error.code == ErrorCode::Forbidden), "{sent}");

    let listed = run_beside(daemon.command(&["approval", "list"])).await.ok().out;
    assert!(listed.contains("notes.append") && listed.contains(r#"{"text":"milk\u001b[2J"}"#), "{listed}");
    let id = asked.id.to_string();
    run_beside(daemon.command(&["approval", "allow", &id])).await.ok();
    ended(&mut pushes).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\u{1b}[2J\n");
    run_beside(daemon.command(&["approval", "allow", &id])).await.failed(65, &["no approval", "approval list"]);

    client.request(ChatSendParams::text("main".parse().unwrap(), "and no")).await.unwrap();
    let denied = requested(&mut pushes).await;
    run_beside(daemon.command(&["approval", "deny", denied.id.as_str()])).await.ok();
    ended(&mut pushes).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\u{1b}[2J\n");
    assert!(model.requests().last().unwrap().body.to_string().contains("did not allow this call"));
    let shown = run_beside(daemon.command(&["run", "show", denied.run_id.as_str()])).await.ok().out;
    assert!(shown.contains("asked     may notes.append be called?") && shown.contains("denied    by owner"), "{shown}");
}
