//! The first request, and what is answered.

use std::{borrow::Cow, sync::Arc};

use exoclaw_protocol::{
    ShownOnce, limits,
    openclaw::{
        Connect, Decoded, Features, HelloAuth, HelloOk, Method, OperatorScope, Policy, Refusal, Request, Response,
        Role, Server, SessionDefaults, Snapshot, StateVersion, Version, decode,
    },
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    Line,
    admission::{self, Admitted, Issue},
    line, lists, telling,
};
use crate::{
    auth::Pass,
    http::Door,
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
    /// The token that its device is to be given.
    pub(super) issue: Option<Issue>,
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
    let Admitted { pass, scopes, issue } =
        admission::check(&connect, nonce, desk).map_err(|refusal| because(refusal, version))?;
    let now_ms = desk.door.runtime.clock().now_ms();
    Ok(Connected {
        request: id,
        version,
        tool_events: connect.caps.iter().any(|cap| cap == "tool-events"),
        presence: presence(&connect, &scopes, now_ms),
        pass,
        scopes,
        issue,
    })
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
pub(super) async fn welcome(door: Arc<Door>, line: Arc<Line>, request: String, issue: Option<Issue>) -> Done {
    // A device that gets no token is let in all the same: its credential was good.
    let token = match issue {
        Some(issue) => issue.token(&door).await,
        None => None,
    };
    let response = match hello(&door, &line, token).await {
        Ok(hello) => Response::ok(request, serde_json::to_value(hello).unwrap_or_default()),
        Err(error) => Response::error(request, super::answers::error_of(&error, line.version)),
    };
    Done { text: Some(line::text(&response)), ..Done::default() }
}

async fn hello(door: &Door, line: &Line, token: Option<ShownOnce>) -> Result<HelloOk, exoclaw_protocol::RpcError> {
    let status = door.runtime.status().await?;
    let default = lists::default_agent(door).to_owned();
    let (presence, version) = line.presence.snapshot();
    let methods = Method::ALL.iter().filter(|method| method.since() <= line.version);
    // Version 3 tells it with a device's own token alone.
    let tells_auth = line.version >= Version::V4 || token.is_some();
    let auth = HelloAuth {
        role: Role::Operator.to_string(),
        scopes: line.scopes.iter().map(ToString::to_string).collect(),
        issued_at_ms: token.is_some().then(|| door.runtime.clock().now_ms()),
        device_token: token,
    };
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
        auth: tells_auth.then_some(auth),
        policy: Policy {
            max_payload: limits::MESSAGE_BYTES,
            max_buffered_bytes: limits::SOCKET_OUTBOX_BYTES,
            tick_interval_ms: u64::try_from(telling::TICK.as_millis()).unwrap_or(u64::MAX),
        },
    };
    Ok(hello.in_version(line.version))
}
