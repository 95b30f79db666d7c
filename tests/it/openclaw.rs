//! OpenClaw's frames at the real daemon: devices that come in by a key of their own, and tools that are called by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exoclaw_tests::{
    daemon::{Daemon, Setup, TOKEN},
    model::ModelServer,
    plugins,
    ws::{self, RawSocket},
};
use ring::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::cli::run_beside;

/// A connection that was let in.
pub(crate) struct Claw {
    socket: RawSocket,
    /// What it was greeted with.
    pub(crate) hello: Value,
    requests: u64,
}

/// A program with a key of its own.
pub(crate) struct Device(Ed25519KeyPair);

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn id(&self) -> String {
        let hash = digest(&SHA256, self.0.public_key().as_ref());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon's clock is the machine's")]
    fn proof(&self, token: &str, nonce: &str) -> Value {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let id = self.id();
        let text = format!("v2|{id}|gateway-client|backend|operator|operator.admin|{at_ms}|{token}|{nonce}");
        json!({
            "id": id, "publicKey": URL_SAFE_NO_PAD.encode(self.0.public_key()), "nonce": nonce,
            "signedAt": u64::try_from(at_ms).unwrap(), "signature": URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes())),
        })
    }
}

impl Claw {
    /// Connects with a token, as a device where there is one.
    ///
    /// # Errors
    /// What it was refused with.
    pub(crate) async fn connect(daemon: &Daemon, token: &str, device: Option<&Device>) -> Result<Self, Value> {
        let mut socket = RawSocket::connect_at(daemon.address(), "/", &[]).await.unwrap();
        let challenge = socket.recv_json().await;
        let client = json!({ "id": "gateway-client", "version": "1.0.0", "platform": "linux", "mode": "backend" });
        let auth = if token.is_empty() { json!({}) } else { json!({ "token": token }) };
        let mut params = json!({
            "minProtocol": 4, "maxProtocol": 4, "client": client, "role": "operator", "scopes": ["operator.admin"],
            "auth": auth,
        });
        if let Some(device) = device {
            params["device"] = device.proof(token, challenge["payload"]["nonce"].as_str().unwrap());
        }
        let connect = json!({ "type": "req", "id": "connect", "method": "connect", "params": params });
        socket.send_text(&connect.to_string()).await;
        let answer = socket.recv_json().await;
        if answer["ok"] != true {
            return Err(answer["error"].clone());
        }
        Ok(Self { socket, hello: answer["payload"].clone(), requests: 0 })
    }

    /// Asks what succeeds; the payload.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests.to_string();
        let request = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.socket.send_text(&request.to_string()).await;
        loop {
            let frame = self.socket.recv_json().await;
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                assert_eq!(frame["ok"], true, "{method}: {frame}");
                return frame["payload"].clone();
            }
        }
    }

    /// The token that the device was given.
    pub(crate) fn device_token(&self) -> String {
        self.hello["auth"]["deviceToken"].as_str().unwrap_or_else(|| panic!("{}", self.hello)).to_owned()
    }
}

async fn daemon() -> (Daemon, ModelServer) {
    let model = ModelServer::start().await;
    (Setup::with_model("openai", &model.openai_url()).start(), model)
}

#[tokio::test]
async fn a_device_comes_in_once_it_is_approved_and_goes_when_it_is_removed() {
    let (daemon, _model) = daemon().await;
    let device = Device::new(1);
    let refused = Claw::connect(&daemon, "", Some(&device)).await.err().expect("nobody let it in");
    assert_eq!((&refused["code"], &refused["message"]), (&json!("NOT_PAIRED"), &json!("pairing required")));
    let request = refused["details"]["requestId"].as_str().unwrap().to_owned();

    let listed = run_beside(daemon.command(&["device", "list"])).await.ok().out;
    assert!(listed.contains(&request) && listed.contains(&device.id()), "{listed}");
    let approved = run_beside(daemon.command(&["device", "approve", &request, "--scope", "chat"])).await.ok().out;
    assert!(approved.contains("may read, write, approved by"), "{approved}");

    let mut claw = Claw::connect(&daemon, "", Some(&device)).await.expect("it was approved");
    assert_eq!(claw.hello["auth"]["scopes"], json!(["operator.read", "operator.write"]));
    assert_eq!(claw.call("health", json!({})).await["ok"], true);
    let mut again = Claw::connect(&daemon, &claw.device_token(), Some(&device)).await.expect("it has a token");
    // Its key alone is worth nothing any more, and nor is its token.
    assert!(Claw::connect(&daemon, "", Some(&device)).await.is_err());
    assert!(Claw::connect(&daemon, &claw.device_token(), Some(&Device::new(2))).await.is_err());

    run_beside(daemon.command(&["device", "remove", &device.id()])).await.ok();
    for claw in [&mut claw, &mut again] {
        assert_eq!(claw.socket.closed().await, Some(1008));
    }
    assert!(Claw::connect(&daemon, &claw.device_token(), Some(&device)).await.is_err());
}

#[tokio::test]
async fn a_device_gets_the_name_that_an_operator_gives_it() {
    let (mut daemon, _model) = daemon().await;
    let device = Device::new(1);
    let own = Claw::connect(&daemon, TOKEN, Some(&device)).await.unwrap().device_token();
    let mut admin = Claw::connect(&daemon, TOKEN, None).await.unwrap();
    let renamed = json!({ "deviceId": device.id(), "label": "Kitchen\u{1b}[2J" });
    assert_eq!(admin.call("device.pair.rename", renamed.clone()).await, renamed);
    daemon.kill9();
    daemon.restart();
    let listed = run_beside(daemon.command(&["device", "list"])).await.ok().out;
    assert!(listed.contains("Kitchen") && !listed.contains('\u{1b}'), "{listed}");
    assert!(Claw::connect(&daemon, &own, Some(&device)).await.is_ok(), "a name changes nothing else");
}

/// Posts as the owner; the answer.
async fn post(daemon: &Daemon, path: &str, body: &Value) -> ws::Answer {
    let (address, body) = (daemon.address(), body.to_string());
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close");
    ws::http(address, &format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}")).await
}

/// Answers the one call that waits.
async fn answer(daemon: &Daemon, verdict: &str) {
    let approval = loop {
        let listed = run_beside(daemon.command(&["approval", "list", "--json"])).await.ok().json();
        if let Some(approval) = listed["approvals"].get(0) {
            break approval.clone();
        }
    };
    assert_eq!((&approval["tool"], &approval["input"]), (&json!("notes.append"), &json!({ "text": "milk" })));
    run_beside(daemon.command(&["approval", verdict, approval["id"].as_str().unwrap()])).await.ok();
}

#[tokio::test]
async fn a_tool_that_has_to_be_allowed_is_called_by_hand_once_it_is() {
    let (notes, model) = (tempfile::tempdir().unwrap(), ModelServer::start().await);
    let file = notes.path().join("notes.md");
    let fs = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, notes.path().display());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes", "clock"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs).plugin("clock", &plugins::example("clock"), "");
    let daemon = setup.and_config("[approvals]\nask = [\"notes.append\"]\n").start();
    let mut claw = Claw::connect(&daemon, TOKEN, None).await.unwrap();

    let told = claw.call("tools.invoke", json!({ "name": "clock.now", "args": {} })).await;
    assert_eq!((&told["ok"], &told["toolName"]), (&json!(true), &json!("clock.now")), "{told}");
    assert!(told["output"]["content"][0]["text"].is_string(), "{told}");

    let call = json!({ "name": "notes.append", "args": { "text": "milk" } });
    let (denied, ()) = tokio::join!(claw.call("tools.invoke", call.clone()), answer(&daemon, "deny"));
    assert_eq!((&denied["ok"], &denied["error"]["code"]), (&json!(false), &json!("approval_denied")), "{denied}");
    assert!(denied["approvalId"].is_string() && !file.exists(), "{denied}");
    let (told, ()) = tokio::join!(claw.call("tools.invoke", call), answer(&daemon, "allow"));
    assert_eq!(told["ok"], true, "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\n");

    let call = json!({ "tool": "notes.append", "args": { "text": "milk" } });
    let (denied, ()) = tokio::join!(post(&daemon, "/tools/invoke", &call), answer(&daemon, "deny"));
    assert!(denied.status == 403 && denied.text.contains("was denied"), "{denied:?}");
    let (told, ()) = tokio::join!(post(&daemon, "/tools/invoke", &call), answer(&daemon, "allow"));
    assert!(told.status == 200 && told.text.contains("\"ok\":true"), "{told:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\n- milk\n");
    let trail = run_beside(daemon.command(&["audit", "export"])).await.ok().out;
    for (what, times) in [("\"invoke\"", 5), ("\"ask\"", 4), ("\"deny\"", 2), ("\"allow\"", 2)] {
        let found = trail.lines().filter(|line| line.contains(what) && !line.contains("\"failed\"")).count();
        assert!(found >= times, "{what} {found} times in {trail}");
    }
}
