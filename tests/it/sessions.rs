//! Messages that come while a run is under way, and sessions that are set, begun anew and deleted: by the real daemon, through
//! kills.

use std::fs;

use exoclaw_client::Client;
use exoclaw_protocol::{
    Block, ChatHistoryParams, ChatInjectParams, ChatSendParams, ChatSendResult, ErrorCode, NoteBy, QueueMode,
    RunStatus, RunWaitParams, SendStatus, SessionDeleteParams, SessionGetParams, SessionListParams, SessionPatchParams,
    SessionPreviewParams, SessionRef, SessionResetParams, SessionSearchParams,
};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, Gate, ModelServer},
};

use crate::cli::run_beside;

fn main() -> SessionRef {
    "main".parse().unwrap()
}

async fn send(client: &Client, text: &str) -> ChatSendResult {
    let idempotency_key = Some(text.parse().unwrap());
    client.request(ChatSendParams { idempotency_key, ..ChatSendParams::text(main(), text) }).await.unwrap()
}

async fn wait(client: &Client, sent: &ChatSendResult) -> (RunStatus, String) {
    let params = RunWaitParams { run_id: sent.run_id.clone(), timeout_ms: Some(60_000) };
    let done = client.request(params).await.unwrap();
    (done.status, done.text)
}

/// The texts of the last request to the model.
fn asked(model: &ModelServer) -> String {
    model.look(|requests| requests.last().unwrap().body["messages"].to_string())
}

fn start(model: &ModelServer) -> Daemon {
    Setup::with_model("anthropic", &model.anthropic_url()).and_config("[chat]\nstop_words = [\"/halt\"]\n").start()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_collected_into_one_turn_though_the_daemon_is_killed() {
    let model = ModelServer::start().await;
    let mut daemon = start(&model);
    let client = daemon.client();
    let collect = SessionPatchParams { queue: Some(Some(QueueMode::Collect)), ..SessionPatchParams::new(main()) };
    client.request(collect).await.unwrap();
    let gate = Gate::new();
    model.answer(Answer::text(["half "]).gate(&gate));
    let first = send(&client, "one").await;
    gate.reached().await;
    let second = send(&client, "two").await;
    let third = send(&client, "three").await;
    tokio::task::block_in_place(|| {
        daemon.kill9();
        gate.open();
        model.answer(Answer::text(["first"])).answer(Answer::text(["the rest"]));
        daemon.restart();
    });
    let client = daemon.client();
    assert_eq!(wait(&client, &first).await, (RunStatus::Ok, "first".to_owned()));
    for sent in [&second, &third] {
        assert_eq!(wait(&client, sent).await, (RunStatus::Ok, "the rest".to_owned()));
    }
    let messages = asked(&model);
    assert!(messages.contains("two") && messages.contains("three"), "{messages}");
    let again = send(&client, "two").await;
    assert_eq!((again.run_id, again.status), (third.run_id, SendStatus::Ok));
    assert_eq!(model.left(), 0);

    let stopped = client.request(ChatSendParams::text(main(), "/HALT")).await.unwrap();
    assert_eq!((stopped.status, stopped.stopped.len()), (SendStatus::Stopped, 0));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_begun_anew_and_then_deleted_without_a_trace() {
    let model = ModelServer::start().await;
    let mut daemon = start(&model);
    let client = daemon.client();
    model.answer(Answer::text(["understood"]));
    let file = Block::File {
        name: "plan.txt".into(),
        media_type: "text/plain".into(),
        text: "the xyzzy plan, which nobody may find".into(),
    };
    let content = Some(vec![Block::text("read this"), file]);
    let params = ChatSendParams { content, session: Some(main()), ..ChatSendParams::default() };
    let sent = client.request(params).await.unwrap();
    assert_eq!(wait(&client, &sent).await, (RunStatus::Ok, "understood".to_owned()));
    let request = asked(&model);
    assert!(request.contains("\"document\"") && request.contains("xyzzy"), "{request}");

    let note = ChatInjectParams { session: main(), text: "a note with plugh".into(), by: NoteBy::Assistant };
    client.request(note).await.unwrap();
    let history = client.request(ChatHistoryParams::new(main())).await.unwrap();
    assert_eq!(history.messages.len(), 3);
    assert!(history.messages[2].note && !serde_json::to_string(&history.messages).unwrap().contains("xyzzy"));
    let preview = SessionPreviewParams { sessions: vec![main()], ..SessionPreviewParams::default() };
    assert_eq!(client.request(preview).await.unwrap().previews[0].texts.len(), 3);
    let plugh = || SessionSearchParams { text: "PLUG".into(), ..SessionSearchParams::default() };
    assert_eq!(client.request(plugh()).await.unwrap().hits[0].snippet[1].text, "plugh");
    let shown = run_beside(daemon.command(&["session", "search", "A", "plug"])).await.out;
    assert!(shown.contains("agent:main:main") && shown.contains("a note with plugh"), "{shown}");
    let listed = client.request(SessionListParams::default()).await.unwrap().sessions;
    assert_eq!(listed[0].title.as_deref(), Some("read this"));

    let anew = client.request(SessionResetParams { session: main() }).await.unwrap();
    assert_ne!(anew.id, listed[0].id);
    daemon.kill9();
    daemon.restart();
    let client = daemon.client();
    assert!(client.request(ChatHistoryParams::new(main())).await.unwrap().messages.is_empty());
    assert!(client.request(plugh()).await.unwrap().hits.is_empty());
    model.answer(Answer::text(["hello"]));
    let sent = send(&client, "anew").await;
    assert_eq!(wait(&client, &sent).await.0, RunStatus::Ok);
    let request = asked(&model);
    assert!(request.contains("anew") && !request.contains("xyzzy"), "{request}");

    assert!(traces(&daemon, "xyzzy") > 0, "the old conversation can be exported");
    assert!(client.request(SessionDeleteParams { session: main() }).await.unwrap().deleted);
    let gone = client.request(SessionGetParams { session: main() }).await.unwrap_err();
    assert!(matches!(gone, exoclaw_client::RequestError::Rpc(error) if error.code == ErrorCode::UnknownSession));
    client.close().await;
    assert!(daemon.terminate().success(), "{}", daemon.log());
    for word in ["xyzzy", "plugh", "understood"] {
        assert_eq!(traces(&daemon, word), 0, "{word}");
    }
}

/// Files below the daemon's home in which a word stands.
fn traces(daemon: &Daemon, word: &str) -> usize {
    let mut folders = vec![daemon.home().to_owned()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found += usize::from(bytes.windows(word.len()).any(|window| window == word.as_bytes()));
            }
        }
    }
    found
}
