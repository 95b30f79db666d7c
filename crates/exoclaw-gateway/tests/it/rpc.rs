use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::{Socket, World};

/// `"…"` in what is wanted stands for anything.
fn fits(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (_, Value::String(any)) if any == "…" => true,
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && wanted.iter().all(|(key, value)| got.get(key).is_some_and(|got| fits(got, value)))
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| fits(got, wanted))
        }
        _ => got == wanted,
    }
}

/// Lines that begin with `>` are sent; each `<` is what comes next.
#[track_caller]
fn lines(transcript: &str) -> impl Iterator<Item = (char, &str)> {
    transcript.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let (mark, text) = line.split_at(1);
        (mark.chars().next().unwrap(), text.trim())
    })
}

async fn check(socket: &mut Socket, transcript: &str) {
    for (mark, text) in lines(transcript) {
        if mark == '>' {
            socket.text(text).await;
        } else {
            let (got, wanted) = (socket.next().await, serde_json::from_str(text).unwrap());
            assert!(fits(&got, &wanted), "wanted {wanted}\n   got {got}");
        }
    }
}

#[tokio::test]
async fn methods_answer() {
    let world = World::start().await;
    let transcript = r#"
        > {"jsonrpc":"2.0","id":1,"method":"ping"}
        < {"jsonrpc":"2.0","id":1,"result":{"nowMs":1800000000000}}
        > {"jsonrpc":"2.0","id":"a","method":"status","params":{}}
        < {"jsonrpc":"2.0","id":"a","result":{"version":"1.2.3","uptimeMs":0,"demo":false,"agents":[{"id":"main","provider":"scripted","model":"model-1","default":true}],"sessions":0,"activeRuns":0,"pluginsReady":0,"pluginsFailed":0}}
        > {"jsonrpc":"2.0","id":null,"method":"session.list","params":{"limit":5}}
        < {"jsonrpc":"2.0","id":null,"result":{"sessions":[]}}
        > {"jsonrpc":"2.0","id":2.5,"method":"plugin.list","params":[]}
        < {"jsonrpc":"2.0","id":2.5,"result":{"plugins":[]}}
        > {"jsonrpc":"2.0","id":3,"method":"chat.history","params":{"session":"main"}}
        < {"jsonrpc":"2.0","id":3,"result":{"session":"agent:main:main","messages":[]}}
        > {"jsonrpc":"2.0","id":4,"method":"chat.abort","params":{"session":"main"}}
        < {"jsonrpc":"2.0","id":4,"result":{"aborted":false,"runIds":[]}}
        > {"jsonrpc":"2.0","id":5,"method":"session.subscribe","params":{"session":"main"}}
        < {"jsonrpc":"2.0","id":5,"result":{"session":"agent:main:main","epoch":"…","seq":0,"recovered":false,"snapshot":{"messages":[]}}}
    "#;
    check(&mut world.client().await, transcript).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_connection_lives_on() {
    let world = World::start().await;
    let transcript = r#"
        > {"jsonrpc":"2.0","id":1
        < {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"…","data":{"kind":"parse_error","retryable":false}}}
        > 5
        < {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"…","data":"…"}}
        > {"id":1,"method":"ping"}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"…","data":"…"}}
        > {"jsonrpc":"2.0","id":{},"method":"ping"}
        < {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"…","data":"…"}}
        > {"jsonrpc":"2.0","id":1,"method":5}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"…","data":"…"}}
        > {"jsonrpc":"2.0","id":1,"method":"chat.sing"}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"there is no method \"chat.sing\"","data":"…"}}
        > {"jsonrpc":"2.0","id":1,"method":"chat.send","params":{"text":5}}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"…","data":{"kind":"invalid_params","retryable":false}}}
        > {"jsonrpc":"2.0","id":1,"method":"chat.send","params":{"txt":"hi"}}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"…","data":"…"}}
        > {"jsonrpc":"2.0","id":1,"method":"chat.send","params":["hi"]}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"…","data":"…"}}
        > {"jsonrpc":"2.0","id":1,"method":"chat.history","params":{"session":"agent:nobody:main"}}
        < {"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"…","data":{"kind":"unknown_agent","retryable":false}}}
        > {"jsonrpc":"2.0","id":1,"method":"ping"}
        < {"jsonrpc":"2.0","id":1,"result":{"nowMs":1800000000000}}
    "#;
    check(&mut world.client().await, transcript).await;
}

#[tokio::test]
async fn batches_and_notifications() {
    let world = World::start().await;
    let transcript = r#"
        > []
        < {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the batch is empty","data":"…"}}
        > [1,{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","id":3,"method":"none"}]
        < [{"jsonrpc":"2.0","id":null,"error":"…"},{"jsonrpc":"2.0","id":2,"result":"…"},{"jsonrpc":"2.0","id":3,"error":"…"}]
        > {"jsonrpc":"2.0","method":"ping"}
        > {"jsonrpc":"2.0","method":"none"}
        > [{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"none"}]
        > {"jsonrpc":"2.0","id":4,"method":"ping"}
        < {"jsonrpc":"2.0","id":4,"result":"…"}
    "#;
    let mut socket = world.client().await;
    check(&mut socket, transcript).await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let answer = socket.ask(&json!(vec![&request; 64]).to_string()).await;
    assert_eq!(answer.as_array().unwrap().len(), 64);
    let answer = socket.ask(&json!(vec![&request; 65]).to_string()).await;
    assert_eq!(answer["error"]["code"], -32600);
}

#[tokio::test]
async fn a_request_that_panics_fails_alone() {
    let world = World::start().await;
    let mut socket = world.client().await;
    world.clock.broken.store(true, Ordering::Relaxed);
    let failed = socket.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(failed["error"]["code"], -32603, "{failed}");
    assert!(!failed["error"]["message"].as_str().unwrap().contains("clock"), "what failed is for the log: {failed}");
    world.clock.broken.store(false, Ordering::Relaxed);
    assert_eq!(socket.ask(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await["id"], 2);
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let world = World::start().await;
    let mut socket = world.client().await;
    for id in 0..200 {
        socket.text(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"status"}}"#)).await;
    }
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(socket.next().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}
