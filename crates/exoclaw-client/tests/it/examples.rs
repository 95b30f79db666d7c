//! The examples, built and run as a reader would.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};

use crate::server::{Peer, Server, TOKEN};

/// An example under way, and what it prints. It ends when dropped.
struct Example {
    lines: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Example {
    fn run(name: &str, server: &Server, last: &str) -> Self {
        let url = format!("ws://{}/ws", server.addr());
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--package", "exoclaw-client", "--example", name, "--", &url, TOKEN, last]);
        let mut child = cargo.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { lines, child }
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("a line")
    }
}

/// Answers a message with "Hello", in events after that number.
async fn answer(peer: &mut Peer, seq: u64) -> serde_json::Value {
    let sent = json!({ "runId": "r1", "session": "agent:main:main", "status": "started", "epoch": 1, "seq": seq });
    let asked = peer.answer("chat.send", sent).await;
    peer.event(1, seq + 1, "Hel").await;
    peer.event(1, seq + 2, "lo").await;
    peer.ended(1, seq + 3, "Hello").await;
    asked
}

#[tokio::test]
async fn send_and_print() {
    let server = Server::start().await;
    let mut example = Example::run("send_and_print", &server, "hi");
    let mut peer = server.accept().await.unwrap();
    let asked = answer(&mut peer, 1).await;
    assert_eq!(asked["text"], "hi", "{asked}");
    assert_eq!(example.line().await, "Hello");
    assert!(example.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn subscribe() {
    let server = Server::start().await;
    let mut example = Example::run("subscribe", &server, "main");
    let mut peer = server.accept().await.unwrap();
    let snapshot = |epoch, seq| {
        let snapshot = json!({ "messages": [] });
        json!({ "session": "agent:main:main", "epoch": epoch, "seq": seq, "recovered": false, "snapshot": snapshot })
    };
    peer.answer("session.subscribe", snapshot(1, 1)).await;
    assert_eq!(example.line().await, "agent:main:main has 0 messages; Ctrl-C ends");
    peer.ended(1, 2, "Hello").await;
    assert_eq!(example.line().await, "2: answered: Hello");
    drop(peer);
    assert!(example.line().await.starts_with("away: "));
    let mut peer = server.accept().await.unwrap();
    peer.answer("session.subscribe", snapshot(7, 9)).await;
    assert_eq!(example.line().await, "missed what was between (1, 2) and (7, 10)");
    assert_eq!(example.line().await, "began again after event 9");
}

#[tokio::test]
async fn embed() {
    let server = Server::start().await;
    let mut example = Example::run("embed", &server, "127.0.0.1:0");
    let address = example.line().await;
    let mut peer = server.accept().await.unwrap();
    for seq in [1, 4] {
        // Both callers are answered over the one connection.
        let mut caller = TcpStream::connect(&address).await.unwrap();
        caller.write_all(b"hi\n").await.unwrap();
        answer(&mut peer, seq).await;
        assert_eq!(BufReader::new(caller).lines().next_line().await.unwrap().unwrap(), "Hello");
    }
}
