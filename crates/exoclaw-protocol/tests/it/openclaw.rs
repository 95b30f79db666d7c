//! OpenClaw's frames: what its servers were seen to refuse, in both versions, is refused in the same words.

use exoclaw_protocol::openclaw::{
    Connect, Decoded, DeviceError, ErrorShape, EventFrame, Refusal, Response, Role, Version, decode,
    shape::{ANY_TEXT, Kind, Shape, TEXT, TEXTS, optional, required},
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// A frame that was sent to a server, and what came of it.
#[derive(Deserialize)]
struct Recorded {
    flow: String,
    nonce: String,
    now: u64,
    /// Text where it was no request.
    sent: Value,
    answer: Option<Value>,
    close: Option<Value>,
}

const RECORDED: [(Version, &str); 2] =
    [(Version::V3, include_str!("openclaw/v3.jsonl")), (Version::V4, include_str!("openclaw/v4.jsonl"))];

fn recorded() -> impl Iterator<Item = (Version, Recorded)> {
    let lines = |(version, text): (Version, &'static str)| text.lines().map(move |line| (version, line));
    RECORDED.into_iter().flat_map(lines).map(|(version, line)| (version, serde_json::from_str(line).unwrap()))
}

fn text(sent: &Value) -> String {
    sent.as_str().map_or_else(|| sent.to_string(), str::to_owned)
}

/// What a server makes of the first frame, which knows one token.
fn hand_shake(recorded: &Recorded, version: Version) -> Result<(Connect, Value), (Refusal, Version, Value)> {
    let refuse = |refusal| (refusal, version, json!("1"));
    let Decoded::Request(request) = decode(text(&recorded.sent).as_bytes(), version) else {
        return Err(refuse(Refusal::NoRequest));
    };
    if request.method != "connect" {
        return Err((Refusal::NotConnect, version, request.id.into()));
    }
    let id = Value::from(request.id);
    let connect = Connect::parse(request.params).map_err(|(refusal, version)| (refusal, version, id.clone()))?;
    let refuse = |refusal| (refusal, connect.version, id.clone());
    match &connect.device {
        Some(device) => {
            let signed = device.signed(&connect, &recorded.nonce, recorded.now);
            signed.map_err(|error| refuse(Refusal::Device(error)))?;
        }
        None if connect.auth.shown().is_none() => return Err(refuse(Refusal::NoDevice)),
        None => {}
    }
    match connect.auth.shown().map(|shown| shown.expose().to_owned()).as_deref() {
        None => Err(refuse(Refusal::TokenMissing)),
        Some("<TOKEN>") => Ok((connect, id)),
        Some(_) => Err(refuse(Refusal::TokenMismatch)),
    }
}

#[test]
fn handshakes_are_refused_as_they_were() {
    let mut seen = 0;
    for (version, recorded) in recorded().filter(|(_, recorded)| recorded.flow.starts_with("connect-")) {
        let (refusal, in_version, id) = hand_shake(&recorded, version).unwrap_err();
        let (code, reason) = refusal.close(in_version);
        let mut answer = serde_json::to_value(Response::error(id, refusal.error(in_version))).unwrap();
        if recorded.flow == "connect-protocol-mismatch" && version == Version::V3 {
            // Whoever speaks both says so in the words of the newer.
            assert_eq!(answer["error"]["details"].take()["expectedProtocol"], 4);
            answer["error"]["details"] = json!({ "expectedProtocol": 3 });
        }
        let closed = recorded.close.unwrap();
        assert_eq!(
            (json!(code), json!(reason)),
            (closed["code"].clone(), closed["reason"].clone()),
            "{}",
            recorded.flow
        );
        if let Some(expected) = recorded.answer {
            assert_eq!(answer, expected, "{version:?} {}", recorded.flow);
        }
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[test]
fn frames_are_refused_as_they_were() {
    let mut seen = 0;
    for (version, recorded) in recorded().filter(|(_, recorded)| !recorded.flow.starts_with("connect-")) {
        let answer = match decode(text(&recorded.sent).as_bytes(), version) {
            Decoded::NotJson => None,
            Decoded::Invalid { id, reason } => Some(Response::error(id, ErrorShape::invalid_frame(&reason))),
            Decoded::Request(request) if request.method == "connect" => continue,
            Decoded::Request(request) => Some(Response::error(request.id, ErrorShape::unknown_method(&request.method))),
        };
        assert_eq!(answer.map(|answer| serde_json::to_value(answer).unwrap()), recorded.answer, "{}", recorded.sent);
        seen += 1;
    }
    assert_eq!(seen, 12);
}

fn connect(change: impl FnOnce(&mut Value)) -> Result<Connect, (Refusal, Version)> {
    let client = json!({ "id": "gateway-client", "version": "1.0.0", "platform": "Linux ", "mode": "backend" });
    let mut params = json!({ "minProtocol": 3, "maxProtocol": 4, "client": client, "auth": { "token": "t" } });
    change(&mut params);
    Connect::parse(params)
}

#[test]
fn the_newest_version_that_both_speak_is_spoken() {
    for (min, max, spoken) in [
        (3, 3, Some(Version::V3)),
        (3, 4, Some(Version::V4)),
        (4, 9, Some(Version::V4)),
        (1, 3, Some(Version::V3)),
        (1, 2, None),
        (5, 9, None),
        (4, 3, None),
    ] {
        assert_eq!(Version::negotiate(min, max), spoken, "{min} to {max}");
    }
    let connected = connect(|_| {}).unwrap();
    assert_eq!((connected.version, connected.role, connected.scopes.len()), (Version::V4, Role::Operator, 0));
    // Clients of one version are unknown to the other.
    let old = |params: &mut Value| {
        params["client"]["id"] = json!("clawdbot-control-ui");
        params["maxProtocol"] = json!(3);
    };
    assert_eq!(connect(old).unwrap().version, Version::V3);
    let refusal = connect(|params| params["client"]["id"] = json!("clawdbot-control-ui")).unwrap_err();
    assert!(matches!(refusal, (Refusal::Params(_), Version::V4)), "{refusal:?}");
    let refusal = connect(|params| params["maxProtocol"] = json!(2)).unwrap_err();
    assert_eq!(refusal, (Refusal::Protocol { min: 3, max: 2 }, Version::V3));
}

#[test]
fn a_device_signs_what_it_sent() {
    let device = json!({
        "id": "d", "publicKey": "p", "signature": "s", "signedAt": 1_000_000, "nonce": "n",
    });
    let full = |change: &dyn Fn(&mut Value)| {
        connect(|params| {
            params["device"] = device.clone();
            params["scopes"] = json!(["operator.read", "operator.write"]);
            change(params);
        })
        .unwrap()
    };
    let signed = |connect: &Connect, nonce: &str, now: u64| {
        connect.device.as_ref().unwrap().signed(connect, nonce, now).map(|signed| signed.0)
    };
    let connected = full(&|_| {});
    let v2 = "v2|d|gateway-client|backend|operator|operator.read,operator.write|1000000|t|n";
    let v3 = format!("{}|linux|", v2.replacen("v2", "v3", 1));
    assert_eq!(signed(&connected, "n", 1_000_000).unwrap(), [v3, v2.to_owned()]);

    assert_eq!(signed(&connected, "other", 1_000_000), Err(DeviceError::NonceMismatch));
    for (version, skew) in [(4, 120_000), (3, 600_000)] {
        let connected = full(&|params| params["maxProtocol"] = json!(version));
        assert!(signed(&connected, "n", 1_000_000 + skew).is_ok());
        assert_eq!(signed(&connected, "n", 1_000_001 + skew), Err(DeviceError::Expired));
        assert_eq!(signed(&connected, "n", 999_999 - skew), Err(DeviceError::Expired));
    }
    // An older client may leave it out; it is not let in for that.
    let old = full(&|params| {
        params["maxProtocol"] = json!(3);
        params["device"].as_object_mut().unwrap().remove("nonce");
    });
    assert_eq!(signed(&old, "n", 1_000_000), Err(DeviceError::NonceRequired));
}

const INNER: Shape = Shape(&[required("name", TEXT)]);
const SHAPE: Shape = Shape(&[
    required("text", Kind::Text { min: 1, max: 3 }),
    optional("any", ANY_TEXT),
    optional("count", Kind::Int { min: 1, max: 9 }),
    optional("list", Kind::List { of: &TEXT, min: 1, max: 2 }),
    optional("names", TEXTS),
    optional("flags", Kind::Map(&Kind::Bool)),
    optional("inner", Kind::Object(&INNER)),
    optional("cleared", Kind::Nullable(&TEXT)),
    optional("mode", Kind::OneOf(&["a", "b"])),
]);

#[test]
fn shapes_say_what_is_wrong_and_where() {
    for (value, complaint) in [
        (json!(7), "at root: must be object"),
        (json!({}), "must have required property 'text'"),
        (
            json!({ "text": "", "x": 1 }),
            "at root: unexpected property 'x'; at /text: must not have fewer than 1 characters",
        ),
        (json!({ "text": "ä€😀x" }), "at /text: must not have more than 3 characters"),
        (json!({ "text": 1, "any": 1 }), "at /text: must be string; at /any: must be string"),
        (json!({ "text": "t", "count": 0 }), "at /count: must be >= 1"),
        (json!({ "text": "t", "count": 1e3 }), "at /count: must be <= 9"),
        (json!({ "text": "t", "count": -3 }), "at /count: must be >= 1"),
        (json!({ "text": "t", "count": 1.5 }), "at /count: must be integer"),
        (json!({ "text": "t", "list": [] }), "at /list: must not have fewer than 1 items"),
        (
            json!({ "text": "t", "list": ["a", 1, "c"] }),
            "at /list: must not have more than 2 items; at /list/1: must be string",
        ),
        (json!({ "text": "t", "names": {} }), "at /names: must be array"),
        (json!({ "text": "t", "flags": { "x": 1 } }), "at /flags/x: must be boolean"),
        (json!({ "text": "t", "flags": [] }), "at /flags: must be object"),
        (json!({ "text": "t", "inner": {} }), "at /inner: must have required property 'name'"),
        (json!({ "text": "t", "inner": { "name": "n", "y": 1 } }), "at /inner: unexpected property 'y'"),
        (json!({ "text": "t", "cleared": 1 }), "at /cleared: must be string"),
        (json!({ "text": "t", "mode": "c" }), "at /mode: must be equal to one of the allowed values"),
    ] {
        assert_eq!(SHAPE.check(&value, Version::V4), Err(complaint.to_owned()), "{value}");
    }
    let old = SHAPE.check(&json!({ "text": "" }), Version::V3);
    assert_eq!(old, Err("at /text: must NOT have fewer than 1 characters".to_owned()));
    let good = json!({
        "text": "😀", "any": "", "count": 3.0, "list": ["a"], "names": [], "flags": { "x": true },
        "inner": { "name": "n" }, "cleared": null, "mode": "b",
    });
    assert_eq!(SHAPE.check(&good, Version::V3), Ok(()));
}

#[test]
fn frames_are_written_as_clients_read_them() {
    let written = |frame: &dyn erased::Frame| frame.json();
    assert_eq!(
        written(&EventFrame::challenge("n", 7)),
        json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 7 } })
    );
    assert_eq!(
        written(&Response::ok("1", json!({ "a": 1 }))),
        json!({ "type": "res", "id": "1", "ok": true, "payload": { "a": 1 } })
    );
    let refused = Response::error("1", ErrorShape::missing_scope("operator.write", Version::V4));
    assert_eq!(written(&refused)["error"]["details"]["missingScope"], "operator.write");
    let refused = Response::error("1", ErrorShape::missing_scope("operator.write", Version::V3));
    assert_eq!(
        written(&refused)["error"],
        json!({ "code": "INVALID_REQUEST", "message": "missing scope: operator.write" })
    );
}

mod erased {
    pub(super) trait Frame {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Frame for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof!["req", "connect", "operator", "cli", "3", "4"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof!["type", "id", "method", "params", "client", "minProtocol", "auth", "device", ".{0,6}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..6).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_in_few_words(frame in any_json(), version in prop_oneof![Just(Version::V3), Just(Version::V4)]) {
        match decode(frame.to_string().as_bytes(), version) {
            Decoded::Invalid { id, reason } => {
                prop_assert!(id.is_number() || id.is_string());
                prop_assert!(!reason.is_empty() && reason.len() < 2_000, "{reason}");
            }
            Decoded::Request(request) => prop_assert!(!request.id.is_empty() && !request.method.is_empty()),
            Decoded::NotJson => prop_assert!(false, "it is JSON"),
        }
        if let Err((refusal, version)) = Connect::parse(frame) {
            let (code, reason) = refusal.close(version);
            prop_assert!(matches!(code, 1002 | 1008) && reason.len() <= 123);
        }
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_no_request(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
        prop_assert_eq!(decode(&bytes, Version::V4) != Decoded::NotJson, is_json);
    }
}
