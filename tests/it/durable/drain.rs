//! SIGTERM while a model is silent: nothing new is begun, and what has not ended in time goes on after the start.

use std::{os::unix::net::UnixDatagram, process::Command};

use exoclaw_client::Push;
use exoclaw_protocol::{ChatSendParams, ErrorCode, Event, SessionSubscribeParams};
use exoclaw_tests::{
    daemon::{Setup, TOKEN},
    model::{Answer, ModelServer},
    wait::wait_for,
    ws::{RawSocket, http},
};
use futures::StreamExt;

use super::work::PATIENCE;

/// What a service manager is told, without the signs of life, and whether there were any.
fn told(manager: &UnixDatagram) -> (Vec<String>, bool) {
    manager.set_nonblocking(true).unwrap();
    let (mut states, mut buffer) = (Vec::new(), [0; 64]);
    while let Ok(bytes) = manager.recv(&mut buffer) {
        states.push(String::from_utf8_lossy(&buffer[..bytes]).into_owned());
    }
    let lives = states.iter().any(|state| state == "WATCHDOG=1");
    states.retain(|state| state != "WATCHDOG=1");
    (states, lives)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_end_in_time_goes_on_after_the_start() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["half "]).then_silence()).answer(Answer::text(["the ", "whole"]));
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    let setup = Setup::with_config("[gateway]\ndrain_seconds = 3\n\n").and_config(&format!(
        "[providers.test]\nkind = \"openai\"\nbase_url = \"{}\"\n\n\
         [[agents]]\nid = \"main\"\nprovider = \"test\"\nmodel = \"test-model\"\n",
        model.openai_url()
    ));
    let setup = setup.env("NOTIFY_SOCKET", folder.path().join("notify").to_str().unwrap());
    let mut daemon = setup.env("WATCHDOG_USEC", "100000").start();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    let params = ChatSendParams::text("main".parse().unwrap(), "hi");
    let sent = client.request(params.clone()).await.unwrap();
    while !matches!(pushes.next().await, Some(Push::Event(event)) if matches!(event.event, Event::Delta { .. })) {}
    let mut socket = RawSocket::with_token(daemon.address(), TOKEN).await;
    assert_eq!(told(&manager).0, ["READY=1"]);

    assert!(Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status().unwrap().success());
    let address = daemon.address();
    let host = format!("Host: {address}\r\nConnection: close\r\n\r\n");
    let look = async || http(address, &format!("GET /readyz HTTP/1.1\r\n{host}")).await.status;
    while look().await == 200 {}
    assert_eq!(look().await, 503);
    let refused = client.request(params).await.unwrap_err();
    assert!(
        matches!(&refused, exoclaw_client::RequestError::Rpc(error) if error.code == ErrorCode::ShuttingDown),
        "{refused:?}"
    );
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(RawSocket::connect(address, &[("Authorization", &bearer)]).await.unwrap_err().status, 503);

    assert_eq!(tokio::time::timeout(PATIENCE, socket.closed()).await.expect("a goodbye"), Some(1012));
    assert!(tokio::task::block_in_place(|| daemon.ended()).success(), "{}", daemon.log());
    assert_eq!(told(&manager), (vec!["STOPPING=1".to_owned()], true));
    // The socket's end is the only end that the client heard of.
    client.close().await;
    while let Some(push) = pushes.next().await {
        assert!(!matches!(&push, Push::Event(event) if event.event.is_terminal()), "{push:?}");
    }

    tokio::task::block_in_place(|| daemon.restart());
    let client = daemon.client();
    let subscribe = SessionSubscribeParams { session: "main".parse().unwrap(), epoch: None, seq: None };
    let look = || if model.requests().len() == 2 { Ok(()) } else { Err(daemon.log()) };
    wait_for(PATIENCE, look).await;
    let mut pushes = client.subscribe();
    let result = client.request(subscribe).await.unwrap();
    let shown = result.snapshot.unwrap().messages;
    assert_eq!(shown[0].run_id, sent.run_id);
    if shown.len() == 1 {
        let ended = async {
            loop {
                if let Some(Push::Event(event)) = pushes.next().await
                    && event.event.is_terminal()
                {
                    return event;
                }
            }
        };
        let event = tokio::time::timeout(PATIENCE, ended).await.expect("the run ends");
        assert!(matches!(&event.event, Event::Final { message, .. } if message.text() == "the whole"), "{event:?}");
    }
    client.close().await;
}
