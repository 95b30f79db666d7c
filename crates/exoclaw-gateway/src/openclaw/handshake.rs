//! The first request, and what is answered.

use std::{borrow::Cow, sync::Arc};

use exoclaw_protocol::{
    limits,
    openclaw::{
        Connect, Decoded, Features, HelloAuth, HelloOk, Method, OperatorScope, Policy, Refusal, Request, Response,
        Role, Server, SessionDefaults, Snapshot, StateVersion, Version, decode,
    },
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Line, line, lists, proof, telling};
use crate::{
    auth::Pass,
    http::Door,
    limiter::TooMany,
    socket::dialect::{Desk, Done, Greeted},
};

/// The version that speaks to whoever has not said one.
const UNTOLD: Version = Version::V4;

/// Somebody who may come in.
pub(super) struct Connected {
    /// The id of the request.
    pub(super) request: String,
    pub(super) pass: Pass,
    pub(super) version: Version,
    pub(super) scopes: Vec<OperatorScope>,
    pub(super) tool_events: bool,
    /// What others are told of them.
    pub(super) presence: Value,
}

/// Somebody who may not.
pub(super) enum Turned {
    /// What they said is no JSON: nothing is answered.
    Silently,
    /// They are told why, in a response if they sent a request.
    Because(Refusal, Version, Option<String>),
}

impl From<Turned> for Greeted {
    fn from(turned: Turned) -> Self {
        let (text, reason, code) = match turned {
            Turned::Silently => (None, String::new(), CloseCode::Normal),
            Turned::Because(refusal, version, request) => {
                let (code, reason) = refusal.close(version);
                let answer = |id| line::text(&Response::error(id, refusal.error(version)));
                (request.map(answer), reason, code.into())
            }
        };
        Self::Out { text, goodbye: (code, Cow::Owned(reason.clone())), reason }
    }
}

/// Looks at the first text of a connection.
pub(super) fn connect(text: &str, nonce: &str, desk: &Desk<'_>) -> Result<Connected, Turned> {
    let Request { id, method, params } = match decode(text.as_bytes(), UNTOLD) {
        Decoded::Request(request) => request,
        Decoded::NotJson => return Err(Turned::Silently),
        Decoded::Invalid { .. } => return Err(Turned::Because(Refusal::NoRequest, UNTOLD, None)),
    };
    let because = |refusal, version| Turned::Because(refusal, version, Some(id.clone()));
    if method != "connect" {
        return Err(because(Refusal::NotConnect, UNTOLD));
    }
    let connect = Connect::parse(params).map_err(|(refusal, version)| because(refusal, version))?;
    let version = connect.version;
    let pass = check(&connect, nonce, desk).map_err(|refusal| because(refusal, version))?;
    let scopes = granted(&connect, &pass);
    let now_ms = desk.door.runtime.clock().now_ms();
    Ok(Connected {
        request: id,
        version,
        tool_events: connect.caps.iter().any(|cap| cap == "tool-events"),
        presence: presence(&connect, &scopes, now_ms),
        pass,
        scopes,
    })
}

fn check(connect: &Connect, nonce: &str, desk: &Desk<'_>) -> Result<Pass, Refusal> {
    // There are no machines here that do things for the gateway: plugins do.
    if connect.role == Role::Node {
        return Err(Refusal::Role);
    }
    if let Some(device) = &connect.device {
        let now_ms = desk.door.runtime.clock().now_ms();
        proof::check(device, connect, nonce, now_ms).map_err(Refusal::Device)?;
    }
    let Some(shown) = connect.auth.shown() else {
        // The upgrade may have shown a credential.
        let missing = if connect.device.is_some() { Refusal::TokenMissing } else { Refusal::NoDevice };
        return desk.pass.cloned().ok_or(missing);
    };
    match desk.token(shown) {
        Ok(Some(pass)) => Ok(pass),
        Ok(None) => Err(Refusal::TokenMismatch),
        Err(TooMany { retry_after }) => {
            Err(Refusal::RateLimited { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) })
        }
    }
}

/// What was asked for, as far as the credential goes. Whoever asks for everything gets all of that; so does whoever asks for
/// nothing in version 3.
fn granted(connect: &Connect, pass: &Pass) -> Vec<OperatorScope> {
    let asked: Vec<OperatorScope> = connect.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    let all = asked.contains(&OperatorScope::Admin) || (connect.version == Version::V3 && connect.scopes.is_empty());
    let wanted = |scope: &OperatorScope| all || asked.contains(scope);
    OperatorScope::ALL.into_iter().filter(wanted).filter(|scope| pass.scope.covers(scope.needs())).collect()
}

fn presence(connect: &Connect, scopes: &[OperatorScope], now_ms: u64) -> Value {
    let client = &connect.client;
    let mut entry = json!({
        "host": client.display_name.as_deref().unwrap_or(&client.id),
        "version": client.version,
        "platform": client.platform,
        "mode": client.mode,
        "reason": "connect",
        "ts": now_ms,
        "roles": [connect.role.as_str()],
        "scopes": scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
    });
    let more = [
        ("deviceFamily", client.device_family.as_deref()),
        ("modelIdentifier", client.model_identifier.as_deref()),
        ("instanceId", client.instance_id.as_deref()),
        ("deviceId", connect.device.as_ref().map(|device| device.id.as_str())),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            entry[name] = value.into();
        }
    }
    entry
}

/// Answers `connect`.
pub(super) async fn welcome(door: Arc<Door>, line: Arc<Line>, request: String) -> Done {
    let response = match hello(&door, &line).await {
        Ok(hello) => Response::ok(request, serde_json::to_value(hello).unwrap_or_default()),
        Err(error) => Response::error(request, super::answers::error_of(&error, line.version)),
    };
    Done { text: Some(line::text(&response)), ..Done::default() }
}

async fn hello(door: &Door, line: &Line) -> Result<HelloOk, exoclaw_protocol::RpcError> {
    let status = door.runtime.status().await?;
    let default = lists::default_agent(door).to_owned();
    let (presence, version) = line.presence.snapshot();
    let methods = Method::ALL.iter().filter(|method| method.since() <= line.version);
    let auth =
        HelloAuth { role: Role::Operator.to_string(), scopes: line.scopes.iter().map(ToString::to_string).collect() };
    let hello = HelloOk {
        protocol: line.version.number(),
        server: Server { version: status.version.clone(), conn_id: crate::auth::random_text() },
        features: Features {
            methods: methods.map(|method| method.name()).collect(),
            events: telling::EVENTS.to_vec(),
            capabilities: Some(Vec::new()),
        },
        snapshot: Snapshot {
            presence,
            health: door.health.get(door).await?,
            state_version: StateVersion { presence: version, health: door.health.version() },
            uptime_ms: status.uptime_ms,
            session_defaults: SessionDefaults {
                main_session_key: format!("agent:{default}:main"),
                default_agent_id: default,
                main_key: "main".to_owned(),
                model_configured: Some(true),
            },
        },
        // Version 3 tells it with a device's own token, which nobody gets here.
        auth: (line.version >= Version::V4).then_some(auth),
        policy: Policy {
            max_payload: limits::MESSAGE_BYTES,
            max_buffered_bytes: limits::SOCKET_OUTBOX_BYTES,
            tick_interval_ms: u64::try_from(telling::TICK.as_millis()).unwrap_or(u64::MAX),
        },
    };
    Ok(hello.in_version(line.version))
}
