//! The first request of a connection.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    Device, Refusal, Version,
    shape::{ANY_TEXT, Kind, Shape, TEXT, TEXTS, optional, optional_v4, required, required_v4},
};
use crate::Secret;

/// Who wants to connect, and how.
#[derive(Debug)]
pub struct Connect {
    /// The version that both speak.
    pub version: Version,
    /// The program.
    pub client: ClientInfo,
    /// What it wants to be.
    pub role: Role,
    /// What it wants to be allowed; it gets no more than its credential allows.
    pub scopes: Vec<String>,
    /// What it can do, such as `tool-events`.
    pub caps: Vec<String>,
    /// What it shows.
    pub auth: Auth,
    /// Who it is, if it says.
    pub device: Option<Device>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// Which: one of a closed set.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Where it runs.
    pub platform: String,
    /// What it is: one of a closed set.
    pub mode: String,
    /// Its name, for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What it runs on.
    #[serde(default)]
    pub device_family: Option<String>,
    /// The same, in detail.
    #[serde(default)]
    pub model_identifier: Option<String>,
    /// Tells apart two of the same.
    #[serde(default)]
    pub instance_id: Option<String>,
}

/// What a connection may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A person's or a program's view of the gateway.
    Operator,
    /// A machine that does things for the gateway.
    Node,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is shown to be let in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Auth {
    /// A token.
    #[serde(deserialize_with = "secret")]
    pub token: Option<Secret>,
    /// A password; looked at as a token.
    #[serde(deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// One that was given to this device.
    #[serde(deserialize_with = "secret")]
    pub device_token: Option<Secret>,
    /// One for a first connection.
    #[serde(deserialize_with = "secret")]
    pub bootstrap_token: Option<Secret>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl Auth {
    /// What there is to look at, whichever field it stands in.
    pub fn shown(&self) -> Option<&Secret> {
        let Self { token, password, device_token, bootstrap_token } = self;
        [token, password, device_token, bootstrap_token].into_iter().flatten().find(|shown| !shown.expose().is_empty())
    }
}

const CLIENTS_V3: &[&str] = &[
    "webchat-ui",
    "clawdbot-control-ui",
    "webchat",
    "cli",
    "gateway-client",
    "clawdbot-macos",
    "clawdbot-ios",
    "clawdbot-android",
    "node-host",
    "test",
    "fingerprint",
    "clawdbot-probe",
];

const CLIENTS_V4: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

const MODES_V3: &[&str] = &["webchat", "cli", "ui", "backend", "node", "probe", "test"];
const MODES_V4: &[&str] = &["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"];

const COUNT: Kind = Kind::Int { min: 0, max: u64::MAX };
const PROTOCOL: Kind = Kind::Int { min: 1, max: u64::MAX };

const CLIENT: Shape = Shape(&[
    required("id", Kind::Differs(&Kind::OneOf(CLIENTS_V3), &Kind::OneOf(CLIENTS_V4))),
    optional("displayName", TEXT),
    required("version", TEXT),
    optional_v4("buildId", Kind::Text { min: 1, max: 96 }),
    required("platform", TEXT),
    optional("deviceFamily", TEXT),
    optional("modelIdentifier", TEXT),
    optional_v4("timeZone", Kind::Text { min: 1, max: 64 }),
    required("mode", Kind::Differs(&Kind::OneOf(MODES_V3), &Kind::OneOf(MODES_V4))),
    optional("instanceId", TEXT),
]);

const DEVICE: Shape = Shape(&[
    required("id", TEXT),
    required("publicKey", TEXT),
    required("signature", TEXT),
    required("signedAt", COUNT),
    required_v4("nonce", TEXT),
]);

const AUTH: Shape = Shape(&[
    optional("token", ANY_TEXT),
    optional_v4("bootstrapToken", ANY_TEXT),
    optional_v4("deviceToken", ANY_TEXT),
    optional("password", ANY_TEXT),
    optional_v4("approvalRuntimeToken", ANY_TEXT),
    optional_v4("agentRuntimeIdentityToken", ANY_TEXT),
]);

const CONNECT: Shape = Shape(&[
    required("minProtocol", PROTOCOL),
    required("maxProtocol", PROTOCOL),
    required("client", Kind::Object(&CLIENT)),
    optional("caps", TEXTS),
    optional("commands", TEXTS),
    optional_v4("computerUse", Kind::Any),
    optional_v4("workerRuns", Kind::Any),
    optional("permissions", Kind::Map(&Kind::Bool)),
    optional("pathEnv", ANY_TEXT),
    optional("role", TEXT),
    optional("scopes", TEXTS),
    optional("device", Kind::Object(&DEVICE)),
    optional("auth", Kind::Object(&AUTH)),
    optional("locale", ANY_TEXT),
    optional("userAgent", ANY_TEXT),
]);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    client: ClientInfo,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    auth: Auth,
    #[serde(default)]
    device: Option<Device>,
}

impl Connect {
    /// Reads the parameters of `connect`. A client that speaks both versions is answered in the newer one.
    ///
    /// # Errors
    /// The refusal, and the version in which it is told.
    pub fn parse(params: Value) -> Result<Self, (Refusal, Version)> {
        let number = |name: &str| params.get(name).and_then(Value::as_u64);
        let [min, max] = [number("minProtocol").unwrap_or(1), number("maxProtocol").unwrap_or(1)];
        // Whoever speaks neither is told in the words of the one that is nearer.
        let spoken = Version::negotiate(min, max);
        let version = spoken.unwrap_or(if max < Version::V3.number() { Version::V3 } else { Version::V4 });
        CONNECT.check(&params, version).map_err(|reason| (Refusal::Params(reason), version))?;
        if spoken.is_none() {
            return Err((Refusal::Protocol { min, max }, version));
        }
        let unreadable = |error: serde_json::Error| (Refusal::Params(error.to_string()), version);
        let Params { client, role, scopes, caps, auth, device } = Params::deserialize(params).map_err(unreadable)?;
        let role = match role.as_deref() {
            None | Some("operator") => Role::Operator,
            Some("node") => Role::Node,
            Some(_) => return Err((Refusal::Role, version)),
        };
        Ok(Self { version, client, role, scopes, caps, auth, device })
    }
}
