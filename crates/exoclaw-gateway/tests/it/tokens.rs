use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::World;

async fn call(world: &World, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    world.client().await.ask(&request.to_string()).await
}

async fn kind(world: &World, method: &str, params: Value) -> String {
    let answer = call(world, method, params).await;
    answer["error"]["data"]["kind"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn tokens_are_made_listed_rotated_and_revoked() {
    let world = World::start().await;
    let made = call(&world, "token.create", json!({ "name": "ci", "scope": "chat" })).await["result"].clone();
    assert_eq!(
        made["info"],
        json!({ "name": "ci", "scope": "chat", "createdMs": 1_800_000_000_000_u64, "rotating": false })
    );
    world.clock.passed_ms.store(7, Ordering::Relaxed);
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    drop(world.upgrade(&[("authorization", &bearer)]).await.unwrap());
    let rotated = call(&world, "token.rotate", json!({ "name": "ci" })).await["result"].clone();
    assert_ne!(rotated["token"], made["token"]);
    let listed = call(&world, "token.list", json!({})).await["result"].clone();
    assert_eq!(
        listed,
        json!({ "tokens": [{
            "name": "ci", "scope": "chat", "createdMs": 1_800_000_000_000_u64,
            "lastUsedMs": 1_800_000_000_007_u64, "rotating": true,
        }] })
    );
    assert_eq!(call(&world, "token.revoke", json!({ "name": "ci" })).await["result"], json!({ "revoked": true }));
    assert_eq!(call(&world, "token.revoke", json!({ "name": "ci" })).await["result"], json!({ "revoked": false }));
    assert_eq!(call(&world, "token.list", json!({})).await["result"], json!({ "tokens": [] }));
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_said() {
    let world = World::start().await;
    call(&world, "token.create", json!({ "name": "ci", "scope": "chat" })).await;
    for (method, params, wanted) in [
        ("token.create", json!({ "name": "ci", "scope": "chat" }), "conflict"),
        ("token.create", json!({ "name": "owner", "scope": "chat" }), "invalid_params"),
        ("token.create", json!({ "name": "../x", "scope": "chat" }), "invalid_params"),
        ("token.create", json!({ "name": "x", "scope": "root" }), "invalid_params"),
        ("token.create", json!({ "name": "x" }), "invalid_params"),
        ("token.create", json!({ "name": "x", "scope": "read", "expiresInS": -1 }), "invalid_params"),
        ("token.rotate", json!({ "name": "ci", "step": "finish" }), "invalid_params"),
        ("token.rotate", json!({ "name": "none" }), "invalid_params"),
    ] {
        assert_eq!(kind(&world, method, params.clone()).await, wanted, "{method} {params}");
    }
    assert_eq!(kind(&world, "token.rotate", json!({ "name": "ci" })).await, "");
    assert_eq!(kind(&world, "token.rotate", json!({ "name": "ci" })).await, "conflict");
}

#[tokio::test]
async fn a_login_link_can_be_asked_for() {
    let world = World::start().await;
    let made = call(&world, "login.link", json!({})).await["result"].clone();
    assert_eq!(made["validS"], 60);
    let link = made["link"].as_str().unwrap();
    let (address, code) = link.split_once("/#code=").unwrap();
    assert_eq!(address, format!("http://{}", world.addr));
    assert_eq!(world.post_login(&json!({ "code": code }).to_string()).await.status(), 204);
    assert_eq!(world.post_login(&json!({ "code": code }).to_string()).await.status(), 401);
}
