//! Runs cases, and says what came of them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use exoclaw_plugin_format::{Manifest, limits::COMPONENT_BYTES, pack};
use exoclaw_protocol::{Secret, ToolContent};
use serde_json::json;

use crate::{
    CallError, Called, Host, HttpConfig, LoadError, Permit, Plugin, Sandbox, SandboxConfig, SandboxError, ToolRequest,
    corpus::{
        Case, GUESTS, Ground,
        case::{Attack, Control, Terms},
        ground::{Names, Store},
    },
};

/// More than a component may have.
pub(super) const TOO_LARGE: usize = COMPONENT_BYTES + 1;

/// How long after its deadline a guest may still run: a few ticks of the epoch.
const GRACE: Duration = Duration::from_millis(50);

/// A sandbox that cases run in, one after the other. Its guests are loaded once.
#[derive(Debug)]
pub struct Range {
    sandbox: Sandbox,
    plugins: HashMap<&'static str, Plugin>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The attack got nothing, and left everything outside as it was.
    pub contained: bool,
    /// The control succeeded: the attack is one.
    pub control: bool,
    /// A call of another guest right after it was served, and the engine holds nothing of it.
    pub unharmed: bool,
    /// It ended within its deadline and 50 ms.
    pub in_time: bool,
    /// What stopped it, in words.
    pub how: String,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn holds(&self) -> bool {
        self.contained && self.control && self.unharmed && self.in_time
    }
}

impl Range {
    /// A sandbox like the daemon's, but that names lead to the ground's server, and nothing is made ahead: whatever the
    /// engine holds is of a call.
    ///
    /// # Errors
    /// Those of [`Sandbox::new`].
    pub fn new() -> Result<Self, SandboxError> {
        let http = HttpConfig { resolver: Arc::new(Names), ..HttpConfig::default() };
        let sandbox = Sandbox::new(SandboxConfig { http, ahead: 0, ..SandboxConfig::default() })?;
        Ok(Self { sandbox, plugins: HashMap::new() })
    }

    /// Runs one case and its control. What can't be done at all counts as not contained.
    pub async fn run(&mut self, case: &Case, ground: &Ground) -> Verdict {
        let tried = match &case.attack {
            Attack::Call { guest, text, narrow, control } => {
                self.call(guest, text, &narrow(ground), control, ground).await
            }
            Attack::Load { guest, damage, sound } => self.load(guest, *damage, sound, ground),
        };
        let mut verdict = tried.unwrap_or_else(|how| Verdict {
            contained: false,
            control: false,
            unharmed: false,
            in_time: false,
            how,
        });
        verdict.unharmed = self.works(ground).await;
        verdict
    }

    async fn call(
        &mut self,
        guest: &'static str,
        text: &str,
        narrow: &Terms,
        control: &Control,
        ground: &Ground,
    ) -> Result<Verdict, String> {
        let failed = |error: std::io::Error| error.to_string();
        ground.lay_out().map_err(failed)?;
        let before = ground.state().map_err(failed)?;
        self.plugin(guest, ground)?;
        let started = Instant::now();
        let called = self.once(guest, text, narrow, ground).await?;
        let in_time = started.elapsed() <= narrow.limits.time + GRACE;
        let after = ground.state().map_err(failed)?;
        // What was granted may be asked: a server that is granted sees its requests.
        let reached = if narrow.grants.http_private.is_empty() { before != after } else { before.0 != after.0 };
        let contained = !succeeded(&called) && !reached && !shows_secret(&called);

        ground.lay_out().map_err(failed)?;
        let allowed = self.once(control.guest, control.text, &(control.wide)(ground), ground).await?;
        let control = succeeded(&allowed) && !shows_secret(&allowed);
        let how = if contained { told(&called) } else { format!("NOT CONTAINED: {}", told(&called)) };
        let how = if control { how } else { format!("{how}; the control did not succeed: {}", told(&allowed)) };
        Ok(Verdict { contained, control, unharmed: false, in_time, how })
    }

    async fn once(
        &mut self,
        guest: &'static str,
        text: &str,
        terms: &Terms,
        ground: &Ground,
    ) -> Result<Called, String> {
        let plugin = self.plugin(guest, ground)?;
        let permit = Permit::new(plugin.manifest(), &terms.grants, &terms.limits).map_err(|error| error.to_string())?;
        let permit = permit.with_env(|_| Some("hostile".to_owned()));
        let permit = permit.with_secrets(|_| Ok(Some(Secret::new(CANARY)))).map_err(|error| error.to_string())?;
        let quota = permit.kv_quota().and_then(|quota| quota.try_into().ok()).unwrap_or(0);
        let host = Host { kv: Some(Arc::new(Store { agent: terms.agent, quota })), ..Host::default() };
        let text = text.replace("PORT", &ground.server.port().to_string());
        Ok(plugin.call(&permit, request(&text)?, host).await)
    }

    fn plugin(&mut self, guest: &'static str, ground: &Ground) -> Result<Plugin, String> {
        if let Some(plugin) = self.plugins.get(guest) {
            return Ok(plugin.clone());
        }
        let plugin = self.sandbox.load_bytes(&packed(guest, ground)?, None).map_err(|error| chain(&error))?;
        self.plugins.insert(guest, plugin.clone());
        Ok(plugin)
    }

    fn load(
        &self,
        guest: &'static str,
        damage: fn(Vec<u8>) -> Vec<u8>,
        sound: &'static str,
        ground: &Ground,
    ) -> Result<Verdict, String> {
        // A component without tools is as sound as it can be without code.
        let fits = |loaded: &Result<Plugin, LoadError>| matches!(loaded, Ok(_) | Err(LoadError::NoTools));
        let loaded = self.sandbox.load_bytes(&damage(packed(guest, ground)?), None);
        let allowed = self.sandbox.load_bytes(&packed(sound, ground)?, None);
        let how = loaded.as_ref().err().map_or_else(|| "NOT CONTAINED: it was loaded".to_owned(), |error| chain(error));
        Ok(Verdict { contained: !fits(&loaded), control: fits(&allowed), unharmed: false, in_time: true, how })
    }

    /// Whether a harmless call is served, and nothing of any call is left.
    async fn works(&mut self, ground: &Ground) -> bool {
        let called = self.once("exit", "0", &Terms::default(), ground).await;
        called.is_ok_and(|called| succeeded(&called)) && self.sandbox.is_idle()
    }
}

const CANARY: &str = "canary-4f1c9a";

/// The component with a manifest that asks for everything, so that grants alone decide.
fn packed(guest: &str, ground: &Ground) -> Result<Vec<u8>, String> {
    let (_, component) = GUESTS.iter().find(|(name, _)| *name == guest).ok_or_else(|| format!("no guest {guest}"))?;
    let port = ground.server.port();
    let hosts = ["127.0.0.1", "inside.test", "mixed.test", "mapped.test"];
    let http: Vec<String> = hosts.iter().map(|host| format!("* http://{host}:{port}/*")).collect();
    let manifest: Manifest = serde_json::from_value(json!({
        "name": "hostile",
        "version": "1.0.0",
        "description": "A hostile guest",
        "tools": [{ "name": "run", "description": "Tries it", "effect": "pure", "input_schema": { "type": "object" } }],
        "requests": {
            "fs": [{ "guest": "/first", "access": "read-write" }, { "guest": "/second", "access": "read-write" }],
            "env": ["HOSTILE"],
            "kv": "1 MiB",
            "http": http,
            "secrets": [{ "name": "canary", "header": "authorization", "format": "{}", "to": format!("127.0.0.1:{port}") }],
        },
    }))
    .map_err(|error| error.to_string())?;
    pack(component, &manifest).map_err(|error| chain(&error))
}

fn request(text: &str) -> Result<ToolRequest, String> {
    let of = |error: exoclaw_protocol::IdError| error.to_string();
    Ok(ToolRequest {
        tool: "run".parse().map_err(of)?,
        arguments: json!({ "text": text }),
        call_id: "verify".parse().map_err(of)?,
        idempotency_key: "verify".to_owned(),
        agent: "main".parse().map_err(of)?,
        session: "verify".to_owned(),
    })
}

/// Whether the guest got what it wanted.
fn succeeded(called: &Called) -> bool {
    match (&called.detail, called.output.content.as_slice()) {
        (None, [ToolContent::Text { text }]) => {
            !called.output.is_error && (text.starts_with("00") || text.starts_with('2'))
        }
        _ => false,
    }
}

fn shows_secret(called: &Called) -> bool {
    serde_json::to_string(&called.output).is_ok_and(|output| output.contains(CANARY))
}

fn told(called: &Called) -> String {
    match (&called.detail, called.output.content.as_slice()) {
        (Some(CallError::Crashed(source)), _) => {
            let cause = std::iter::successors(Some(&**source as &dyn std::error::Error), |error| error.source()).last();
            format!("the tool crashed: {}", cause.map(ToString::to_string).unwrap_or_default())
        }
        (Some(error), _) => error.to_string(),
        (None, [ToolContent::Text { text }]) => {
            format!("refused ({})", text.chars().take(40).collect::<String>())
        }
        (None, content) => format!("answered with {} blocks", content.len()),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
