//! The door of OpenClaw's clients, in both versions that they speak.

mod approvals;
mod changes;
mod chat;
mod chat_flow;
mod cron;
mod devices;
mod flows;
mod handshake;
mod health;
mod methods;
mod recorded;
mod settings;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exoclaw_protocol::openclaw::Version;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Socket, TOKEN, World};

const BOTH: [Version; 2] = [Version::V3, Version::V4];

/// A client that is connected.
pub(crate) struct Claw {
    socket: Socket,
    hello: Value,
    /// Events that came while something else was waited for.
    events: Vec<Value>,
    requests: u64,
}

fn connect_params(version: Version) -> Value {
    let client = json!({ "id": "gateway-client", "version": "1.0.0", "platform": "linux", "mode": "backend" });
    json!({
        "minProtocol": version.number(), "maxProtocol": version.number(), "client": client, "role": "operator",
        "scopes": ["operator.admin"], "caps": ["tool-events"], "auth": { "token": TOKEN },
    })
}

fn request(id: &str, method: &str, params: &Value) -> String {
    json!({ "type": "req", "id": id, "method": method, "params": params }).to_string()
}

impl Claw {
    pub(crate) async fn connect(world: &World, version: Version) -> Self {
        Self::connect_with(world, version, |_| {}).await
    }

    async fn connect_with(world: &World, version: Version, change: impl FnOnce(&mut Value)) -> Self {
        let mut params = connect_params(version);
        change(&mut params);
        let mut socket = world.upgrade_at("/").await;
        assert_eq!(socket.next().await["event"], "connect.challenge");
        let answer = socket.ask(&request("connect", "connect", &params)).await;
        assert_eq!(answer["ok"], true, "{answer}");
        Self { socket, hello: answer["payload"].clone(), events: Vec::new(), requests: 0 }
    }

    /// Asks; the whole response.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, &params).await;
        self.response(&id).await
    }

    /// Asks, and leaves the response to come; its id.
    async fn begin(&mut self, method: &str, params: &Value) -> String {
        self.requests += 1;
        let id = self.requests.to_string();
        self.socket.text(&request(&id, method, params)).await;
        id
    }

    /// Asks what succeeds; the payload.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let response = self.ask(method, params).await;
        assert_eq!(response["ok"], true, "{method}: {response}");
        response["payload"].clone()
    }

    /// The code and the words with which a request is refused.
    async fn refused(&mut self, method: &str, params: Value) -> (String, String) {
        let response = self.ask(method, params).await;
        assert_eq!(response["ok"], false, "{method}: {response}");
        let text = |name: &str| response["error"][name].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }

    async fn response(&mut self, id: &str) -> Value {
        loop {
            let frame = self.socket.next().await;
            if frame["type"] == "res" {
                assert_eq!(frame["id"], id, "{frame}");
                return frame;
            }
            self.events.push(frame);
        }
    }

    async fn event(&mut self) -> Value {
        if self.events.is_empty() {
            return self.socket.next().await;
        }
        self.events.remove(0)
    }

    /// The next event of that name.
    async fn event_named(&mut self, name: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["event"] == name {
                return event;
            }
        }
    }

    /// The payloads of `chat`, until one in this state.
    async fn chats_until(&mut self, state: &str) -> Vec<Value> {
        let mut chats: Vec<Value> = Vec::new();
        while chats.last().is_none_or(|last| last["state"] != state) {
            let event = self.event().await;
            if event["event"] == "chat" {
                chats.push(event["payload"].clone());
            }
        }
        chats
    }
}

/// A device with a key of its own.
struct Device(Ed25519KeyPair);

impl Device {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn id(&self) -> String {
        hex::encode(Sha256::digest(self.0.public_key()))
    }

    fn proof(&self, params: &Value, nonce: &str, at_ms: u64, form: &str) -> Value {
        let id = self.id();
        let scopes: Vec<&str> = params["scopes"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let scopes = scopes.join(",");
        let shown = [&params["auth"]["token"], &params["auth"]["deviceToken"]];
        let token = shown.into_iter().flat_map(Value::as_str).next().unwrap_or_default();
        let mut text = format!("{form}|{id}|gateway-client|backend|operator|{scopes}|{at_ms}|{token}|{nonce}");
        if form == "v3" {
            text.push_str("|linux|");
        }
        json!({
            "id": id, "publicKey": URL_SAFE_NO_PAD.encode(self.0.public_key()), "signedAt": at_ms, "nonce": nonce,
            "signature": URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes())),
        })
    }
}
