//! Devices: who is let in at once, who waits, and what ends them.

use exoclaw_protocol::{
    Rotation, Scope, ShownOnce, TokenCreateParams, TokenRevokeParams, TokenRotateParams, openclaw::Version,
};
use serde_json::{Value, json};

use super::{BOTH, Claw, Device, connect_params, request};
use crate::{
    audit::{told, trail},
    support::{Socket, TOKEN, World},
};

/// A device that connects with what it shows; the answer, and its connection.
async fn knock(world: &World, version: Version, device: &Device, auth: Value, scopes: &[&str]) -> (Value, Socket) {
    let mut socket = world.upgrade_at("/").await;
    let challenge = socket.next().await;
    let nonce = challenge["payload"]["nonce"].as_str().unwrap();
    let mut params = connect_params(version);
    (params["auth"], params["scopes"]) = (auth, json!(scopes));
    params["client"]["displayName"] = json!("Laptop");
    params["device"] = device.proof(&params, nonce, world.runtime.clock().now_ms(), "v2");
    let answer = socket.ask(&request("1", "connect", &params)).await;
    (answer, socket)
}

/// A device that is let in.
async fn enter(world: &World, version: Version, device: &Device, auth: Value, scopes: &[&str]) -> Claw {
    let (answer, socket) = knock(world, version, device, auth, scopes).await;
    assert_eq!(answer["ok"], true, "{answer}");
    Claw { socket, hello: answer["payload"].clone(), events: Vec::new(), requests: 0 }
}

/// What a device is told that is not let in.
async fn turned(world: &World, version: Version, device: &Device, auth: Value, scopes: &[&str]) -> Value {
    let (answer, mut socket) = knock(world, version, device, auth, scopes).await;
    assert_eq!(answer["ok"], false, "{answer}");
    assert_eq!(socket.closed_at_once().await.0, 1008);
    answer["error"].clone()
}

fn token(world: &World, name: &str, scope: Scope) -> ShownOnce {
    let params = TokenCreateParams { name: name.parse().unwrap(), scope, expires_in_s: None };
    world.tokens.create(params, 0).unwrap().token
}

fn shown(claw: &Claw) -> String {
    claw.hello["auth"]["deviceToken"].as_str().unwrap_or_else(|| panic!("no token: {}", claw.hello["auth"])).to_owned()
}

const ALL: &[&str] = &["operator.admin"];

impl Claw {
    async fn device_event(&mut self, name: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["event"] == name {
                return event["payload"].clone();
            }
        }
    }

    async fn ended(&mut self) -> (u16, String) {
        self.socket.closed_at_once().await
    }
}

#[tokio::test]
async fn a_good_token_pairs_a_device_at_once_inside_its_scope() {
    for version in BOTH {
        let world = World::start().await;
        let (device, chat) = (Device::new(1), token(&world, "phone", Scope::Chat));
        let auth = || json!({ "token": chat.expose() });
        let first = enter(&world, version, &device, auth(), ALL).await;
        let may = json!(["operator.read", "operator.write"]);
        assert_eq!((&first.hello["auth"]["scopes"], &first.hello["auth"]["role"]), (&may, &json!("operator")));
        assert!(first.hello["auth"]["issuedAtMs"].is_u64());
        let own = shown(&first);
        // Nothing more is handed out to whom is known.
        assert!(enter(&world, version, &device, auth(), ALL).await.hello["auth"].get("deviceToken").is_none());

        let field = if version == Version::V3 { "token" } else { "deviceToken" };
        let mut again = enter(&world, version, &device, json!({ field: own }), ALL).await;
        let (_, message) = again.refused("sessions.delete", json!({ "key": "x" })).await;
        assert_eq!(message, "missing scope: operator.admin");
        let mut admin = Claw::connect(&world, version).await;
        let listed = admin.call("device.pair.list", json!({})).await;
        let paired = &listed["paired"][0];
        assert_eq!((&paired["deviceId"], &paired["scopes"]), (&json!(device.id()), &may));
        assert_eq!((&paired["displayName"], &listed["pending"]), (&json!("Laptop"), &json!([])));
        assert!(paired["tokens"][0]["lastUsedAtMs"].is_u64() && !listed.to_string().contains(&own), "{listed}");
    }
}

#[tokio::test]
async fn a_devices_token_counts_with_its_key_alone() {
    let world = World::start().await;
    let device = Device::new(1);
    let own = shown(&enter(&world, Version::V4, &device, json!({ "token": TOKEN }), ALL).await);
    let error = turned(&world, Version::V4, &Device::new(2), json!({ "token": own }), ALL).await;
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH");
    let mut socket = world.upgrade_at("/").await;
    socket.next().await;
    let mut params = connect_params(Version::V4);
    params["auth"]["token"] = json!(own);
    let answer = socket.ask(&request("1", "connect", &params)).await;
    assert_eq!(answer["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH");
    assert_eq!(world.upgrade(&[("authorization", &format!("Bearer {own}"))]).await.err(), Some(401));
    enter(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
}

#[tokio::test]
async fn a_device_without_a_token_waits_until_it_is_approved() {
    for version in BOTH {
        let world = World::start().await;
        let device = Device::new(1);
        let mut admin = Claw::connect(&world, version).await;
        let error = turned(&world, version, &device, json!({}), &["operator.write"]).await;
        assert_eq!((&error["code"], &error["message"]), (&json!("NOT_PAIRED"), &json!("pairing required")));
        let request = error["details"]["requestId"].clone();
        let requested = admin.device_event("device.pair.requested").await;
        assert_eq!((&requested["requestId"], &requested["scopes"]), (&request, &json!(["operator.write"])));
        assert_eq!((&requested["deviceId"], &requested["remoteIp"]), (&json!(device.id()), &json!("127.0.0.1")));
        // Asking again is no other request; asking for more is.
        let again = turned(&world, version, &device, json!({}), &["operator.write"]).await;
        assert_eq!(again["details"]["requestId"], request);
        let more = turned(&world, version, &device, json!({}), ALL).await["details"]["requestId"].clone();
        assert_ne!(more, request);
        let (_, message) = admin.refused("device.pair.approve", json!({ "requestId": request })).await;
        assert_eq!(message, "unknown requestId");

        let request =
            turned(&world, version, &device, json!({}), &["operator.write"]).await["details"]["requestId"].clone();
        let approved = admin.call("device.pair.approve", json!({ "requestId": request })).await;
        assert_eq!(approved["device"]["scopes"], json!(["operator.write"]));
        let resolved = admin.device_event("device.pair.resolved").await;
        assert_eq!((&resolved["requestId"], &resolved["decision"]), (&request, &json!("approved")));
        // Its key is enough once, to fetch its token; then the token is.
        let mut entered = enter(&world, version, &device, json!({}), ALL).await;
        assert_eq!(entered.hello["auth"]["scopes"], json!(["operator.read", "operator.write"]));
        assert!(entered.call("sessions.list", json!({})).await["count"].is_u64());
        let own = shown(&entered);
        let error = turned(&world, version, &device, json!({}), ALL).await;
        assert_eq!(error["code"], "NOT_PAIRED");
        assert_eq!(admin.call("device.pair.list", json!({})).await["pending"][0]["isRepair"], true);
        enter(&world, version, &device, json!({ "token": own }), &["operator.read"]).await;
    }
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = World::start().await;
    let less = |params: &mut Value| params["scopes"] = json!(["operator.pairing", "operator.read"]);
    let mut approver = Claw::connect_with(&world, Version::V4, less).await;
    let device = Device::new(1);
    let request = |error: Value| error["details"]["requestId"].clone();
    let wants = request(turned(&world, Version::V4, &device, json!({}), &["operator.write"]).await);
    let (code, message) = approver.refused("device.pair.approve", json!({ "requestId": wants })).await;
    assert!(code == "FORBIDDEN" && message.contains("nothing of what the device asks for"), "{message}");
    let wants = request(turned(&world, Version::V4, &device, json!({}), ALL).await);
    let approved = approver.call("device.pair.approve", json!({ "requestId": wants })).await;
    assert_eq!(approved["device"]["scopes"], json!(["operator.read", "operator.pairing"]));
    // Nor do they change who may do more.
    let other = Device::new(2);
    enter(&world, Version::V4, &other, json!({ "token": TOKEN }), ALL).await;
    for method in ["device.token.rotate", "device.token.revoke"] {
        let (_, message) = approver.refused(method, json!({ "deviceId": other.id(), "role": "operator" })).await;
        assert_eq!(message, "missing scope: operator.admin");
    }
    let (_, message) = approver.refused("device.pair.remove", json!({ "deviceId": other.id() })).await;
    assert_eq!(message, "missing scope: operator.admin");
}

#[tokio::test]
async fn whoever_lets_nobody_in_sees_nobody_wait() {
    let world = World::start().await;
    let writer = |params: &mut Value| params["scopes"] = json!(["operator.write"]);
    let mut writer = Claw::connect_with(&world, Version::V4, writer).await;
    let mut admin = Claw::connect(&world, Version::V4).await;
    turned(&world, Version::V4, &Device::new(1), json!({}), ALL).await;
    admin.device_event("device.pair.requested").await;
    for method in ["device.pair.list", "device.pair.approve", "device.token.rotate"] {
        let (_, message) = writer.refused(method, json!({})).await;
        assert_eq!(message, "missing scope: operator.pairing");
    }
    let seen = writer.events.iter().filter(|event| event["event"].as_str().unwrap().starts_with("device.")).count();
    assert_eq!(seen, 0, "{:?}", writer.events);
}

#[tokio::test]
async fn what_ends_a_device_closes_its_connections() {
    let world = World::start().await;
    let (device, phone) = (Device::new(1), token(&world, "phone", Scope::Chat));
    let mut admin = Claw::connect(&world, Version::V4).await;
    let revoked = (1008, "the credential was revoked".to_owned());
    let of = |device: &Device| json!({ "deviceId": device.id(), "role": "operator" });

    // A new token.
    let mut paired = enter(&world, Version::V4, &device, json!({ "token": phone.expose() }), ALL).await;
    let own = shown(&paired);
    let rotated = admin.call("device.token.rotate", of(&device)).await["token"].as_str().unwrap().to_owned();
    assert_eq!(paired.ended().await, revoked);
    turned(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
    let mut second = enter(&world, Version::V4, &device, json!({ "token": rotated }), ALL).await;
    // None.
    admin.call("device.token.revoke", of(&device)).await;
    assert_eq!(second.ended().await, revoked);
    turned(&world, Version::V4, &device, json!({ "token": rotated }), ALL).await;
    assert_eq!(turned(&world, Version::V4, &device, json!({}), ALL).await["code"], "NOT_PAIRED");
    // The device itself, with the connection that paired it.
    let other = Device::new(2);
    let mut paired = enter(&world, Version::V4, &other, json!({ "token": phone.expose() }), ALL).await;
    let own = shown(&paired);
    admin.call("device.pair.remove", json!({ "deviceId": other.id() })).await;
    assert_eq!(paired.ended().await, revoked);
    turned(&world, Version::V4, &other, json!({ "token": own }), ALL).await;
    let (_, message) = admin.refused("device.pair.remove", json!({ "deviceId": other.id() })).await;
    assert_eq!(message, "unknown deviceId");
}

#[tokio::test]
async fn a_device_goes_with_the_token_that_it_came_with() {
    let revoke = |world: &World| {
        world.tokens.revoke(&TokenRevokeParams { name: "phone".parse().unwrap() }).unwrap();
    };
    let replace = |world: &World| {
        world.tokens.rotate(&TokenRotateParams { name: "phone".parse().unwrap(), step: Rotation::Now }).unwrap();
    };
    let again = |world: &World| {
        world.tokens.revoke(&TokenRevokeParams { name: "phone".parse().unwrap() }).unwrap();
        token(world, "phone", Scope::Admin);
    };
    for end in [&revoke as &dyn Fn(&World), &replace, &again] {
        let world = World::start().await;
        let (device, phone) = (Device::new(1), token(&world, "phone", Scope::Chat));
        let own = shown(&enter(&world, Version::V4, &device, json!({ "token": phone.expose() }), ALL).await);
        let mut entered = enter(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
        end(&world);
        assert_eq!(entered.ended().await.0, 1008);
        turned(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
        // With another good token it is paired anew.
        let new = shown(&enter(&world, Version::V4, &device, json!({ "token": TOKEN }), ALL).await);
        enter(&world, Version::V4, &device, json!({ "token": new }), ALL).await;
    }
}

#[tokio::test]
async fn a_device_does_not_lose_the_token_that_it_rotates() {
    let world = World::start().await;
    let device = Device::new(1);
    let own = shown(&enter(&world, Version::V4, &device, json!({ "token": TOKEN }), ALL).await);
    let mut entered = enter(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
    let params = json!({ "deviceId": device.id(), "role": "operator" });
    let (_, message) = entered.refused("device.token.rotate", params).await;
    assert!(message.contains("from another one"), "{message}");
    enter(&world, Version::V4, &device, json!({ "token": own }), ALL).await;
}

#[tokio::test]
async fn who_is_sent_away_has_to_ask_again() {
    let world = World::start().await;
    let mut admin = Claw::connect(&world, Version::V3).await;
    let device = Device::new(1);
    let error = turned(&world, Version::V3, &device, json!({}), ALL).await;
    let request = json!({ "requestId": error["details"]["requestId"] });
    assert_eq!(admin.call("device.pair.reject", request.clone()).await["deviceId"], device.id());
    assert_eq!(admin.device_event("device.pair.resolved").await["decision"], "rejected");
    for method in ["device.pair.reject", "device.pair.approve"] {
        assert_eq!(admin.refused(method, request.clone()).await.1, "unknown requestId");
    }
    let again = turned(&world, Version::V3, &device, json!({}), ALL).await;
    assert_ne!(again["details"]["requestId"], error["details"]["requestId"]);
}

#[tokio::test]
async fn strangers_are_listened_to_no_more_often_than_guesses() {
    let world = World::start().await;
    let mut refused = Vec::new();
    for seed in 0..20 {
        let error = turned(&world, Version::V4, &Device::new(seed), json!({}), ALL).await;
        refused.push(error["details"]["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(refused.iter().filter(|code| *code == "PAIRING_REQUIRED").count(), 10, "{refused:?}");
    assert_eq!(refused.last().unwrap(), "AUTH_RATE_LIMITED");
    // Whoever shows something is not kept out by them.
    enter(&world, Version::V4, &Device::new(1), json!({ "token": TOKEN }), ALL).await;
}

#[tokio::test]
async fn what_is_done_to_devices_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let config = exoclaw_gateway::GatewayConfig::new(([127, 0, 0, 1], 0).into());
    let config = config.with_token(exoclaw_protocol::Secret::new(TOKEN));
    let world = World::recording(config, trail(&home)).await;
    let mut admin = Claw::connect(&world, Version::V4).await;
    let (device, other) = (Device::new(1), Device::new(2));
    enter(&world, Version::V4, &device, json!({ "token": TOKEN }), ALL).await;
    let error = turned(&world, Version::V4, &other, json!({}), ALL).await;
    admin.call("device.pair.approve", json!({ "requestId": error["details"]["requestId"] })).await;
    enter(&world, Version::V4, &other, json!({}), ALL).await;
    admin.call("device.pair.remove", json!({ "deviceId": other.id() })).await;
    let told: Vec<String> = told(home.path()).into_iter().filter(|line| line.starts_with("device ")).collect();
    let (device, other) = (device.id(), other.id());
    let expected = [
        format!("device pair allowed owner 127.0.0.1 {device}: -"),
        format!("device ask asked - 127.0.0.1 {other}: -"),
        format!("device approve allowed owner 127.0.0.1 {other}: what it asked for"),
        format!("device pair allowed device {other} 127.0.0.1 {other}: -"),
        format!("device remove allowed owner 127.0.0.1 {other}: -"),
    ];
    assert_eq!(told, expected);
}
