//! A loaded plugin and its calls.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use exoclaw_plugin_format::Manifest;
use exoclaw_protocol::{AgentId, CallId, Effect, Metering, Reconciled, ToolName, ToolOutput};
use serde_json::Value;
use tokio::{sync::SemaphorePermit, time::timeout};

use crate::{
    CallError, Host, Permit, PublicKey, Sha256Digest,
    bindings::{channel::ChannelPluginPre, exoclaw::plugin::types, reconciling::ReconcilingPluginPre},
    entry::{Call, Entry, ToolInput, Tools},
    instance, limits, sandbox,
    schema::{Mismatch, Schema},
    state::State,
    stock::Stock,
};

/// A plugin, ready to be called. A cheap handle.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) manifest: Manifest,
    pub(crate) digest: Sha256Digest,
    pub(crate) sha256: String,
    pub(crate) signers: Vec<PublicKey>,
    pub(crate) schemas: HashMap<ToolName, Schema>,
    /// There unless it is a channel.
    pub(crate) tools: Option<Tools>,
    /// There if it is a channel.
    pub(crate) channel: Option<ChannelPluginPre<State>>,
    /// There if the component exports `reconciler`.
    pub(crate) reconciler: Option<ReconcilingPluginPre<State>>,
    pub(crate) sandbox: Arc<sandbox::Inner>,
    pub(crate) stock: Stock,
}

/// One call of one tool.
#[derive(Debug, Clone)]
pub struct ToolRequest {
    /// The tool, without its plugin's name.
    pub tool: ToolName,
    /// The arguments; checked against the tool's schema before the guest sees them.
    pub arguments: Value,
    /// The model's id of the call.
    pub call_id: CallId,
    /// The same for every attempt of one intended effect.
    pub idempotency_key: String,
    /// The agent that calls.
    pub agent: AgentId,
    /// Stable for a session without naming it, such as a digest of its key.
    pub session: String,
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// What the model and clients see. Whatever went wrong is in here, in words for the model.
    pub output: ToolOutput,
    /// What it cost.
    pub metering: Metering,
    /// What went wrong, for log and operator, if the host ended the call.
    pub detail: Option<CallError>,
}

/// What a plugin said of a call whose answer was lost.
#[derive(Debug)]
pub struct Asked {
    /// What became of it; [`Reconciled::Unknown`] if the plugin can't be asked or the host ended the asking.
    pub outcome: Reconciled,
    /// What the asking cost.
    pub metering: Metering,
    /// What went wrong, for log and operator, if the host ended the asking.
    pub detail: Option<CallError>,
}

impl Plugin {
    /// What the plugin says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// SHA-256 of the component in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> Sha256Digest {
        self.0.digest
    }

    /// Whose signatures it has, trusted or not.
    pub fn signers(&self) -> &[PublicKey] {
        &self.0.signers
    }

    /// Runs one tool in a fresh instance, which is used once and dropped. Dropping the future stops the guest, wherever it is.
    ///
    /// Needs a tokio runtime with time and, for guests with directories, its blocking threads.
    pub async fn call(&self, permit: &Permit, request: ToolRequest, host: Host) -> Called {
        let (ended, metering) = match (&self.0.tools, self.0.check(permit, &request)) {
            (Some(tools), Ok(arguments)) => {
                self.run(tools, permit, self.0.tool_call(permit, request, arguments), host).await
            }
            (None, Ok(_)) => (Err(CallError::UnknownTool { tool: request.tool }), Metering::default()),
            (_, Err(error)) => (Err(error), Metering::default()),
        };
        match ended {
            Ok(output) => Called { output, metering, detail: None },
            Err(error) => Called { output: error.output(), metering, detail: Some(error) },
        }
    }

    /// Whether the component can say what became of a call.
    pub fn can_reconcile(&self) -> bool {
        self.0.reconciler.is_some()
    }

    /// Asks what became of a call whose answer was lost, in a fresh instance under the same permit and limits as a call.
    /// `request` is the call's own, its idempotency key included.
    pub async fn reconcile(&self, permit: &Permit, request: ToolRequest, host: Host) -> Asked {
        let Some(reconciler) = &self.0.reconciler else {
            return Asked { outcome: Reconciled::Unknown, metering: Metering::default(), detail: None };
        };
        let (ended, metering) = match self.0.check(permit, &request) {
            Ok(arguments) => {
                // It asks, and changes nothing.
                let call = Call { key: None, ..self.0.tool_call(permit, request, arguments) };
                self.run(reconciler, permit, call, host).await
            }
            Err(error) => (Err(error), Metering::default()),
        };
        match ended {
            Ok(outcome) => Asked { outcome, metering, detail: None },
            Err(error) => Asked { outcome: Reconciled::Unknown, metering, detail: Some(error) },
        }
    }

    pub(crate) async fn run<E: Entry>(
        &self,
        entry: &E,
        permit: &Permit,
        call: Call<E::Input>,
        host: Host,
    ) -> (Result<E::End, CallError>, Metering) {
        let started = Instant::now();
        let mut metering = Metering::default();
        let ended = self.run_metered(entry, permit, call, host, &mut metering).await;
        metering.wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        (ended, metering)
    }

    async fn run_metered<E: Entry>(
        &self,
        entry: &E,
        permit: &Permit,
        call: Call<E::Input>,
        host: Host,
        metering: &mut Metering,
    ) -> Result<E::End, CallError> {
        let plugin = &self.0;
        plugin.check_permit(permit)?;
        let time = permit.limits.time;
        let _slots = plugin.slots(permit, time).await?;
        let _running = plugin.sandbox.ticker.running();
        Box::pin(instance::run(entry, plugin, permit, call, host, metering)).await
    }
}

impl Inner {
    fn check_permit(&self, permit: &Permit) -> Result<(), CallError> {
        let (name, of) = (&self.manifest.name, &permit.plugin);
        if of == name { Ok(()) } else { Err(CallError::OtherPlugin { permit: of.clone(), plugin: name.clone() }) }
    }

    /// The arguments as JSON text, if the tool's schema takes them.
    fn check(&self, permit: &Permit, request: &ToolRequest) -> Result<String, CallError> {
        self.check_permit(permit)?;
        let Some(schema) = self.schemas.get(&request.tool) else {
            return Err(CallError::UnknownTool { tool: request.tool.clone() });
        };
        schema.check(&request.arguments)?;
        let text = request.arguments.to_string();
        if text.len() > limits::ARGUMENT_BYTES {
            let reason = format!("{} bytes, the limit is {}", text.len(), limits::ARGUMENT_BYTES);
            return Err(Mismatch::new(reason).into());
        }
        Ok(text)
    }

    fn tool_call(&self, permit: &Permit, request: ToolRequest, text: String) -> Call<ToolInput> {
        let effect = self.manifest.tool(&request.tool).map(|tool| tool.effect);
        let carries_key = matches!(effect, Some(Effect::Idempotent | Effect::Once));
        let ToolRequest { tool, arguments, call_id, idempotency_key, agent, session } = request;
        let key = carries_key.then(|| idempotency_key.clone());
        let bytes = text.len() as u64;
        let request = types::Request {
            tool: tool.to_string(),
            arguments: text,
            call_id: call_id.to_string(),
            idempotency_key,
            agent: agent.to_string(),
            session,
            deadline_ms: u64::try_from(permit.limits.time.as_millis()).unwrap_or(u64::MAX),
        };
        Call { id: call_id, key, headers: Vec::new(), bytes, input: ToolInput { request, arguments } }
    }

    /// Waits for a turn, of this plugin and then of the pool, in a bounded queue.
    async fn slots<'a>(
        &'a self,
        permit: &'a Permit,
        time: Duration,
    ) -> Result<(SemaphorePermit<'a>, SemaphorePermit<'a>), CallError> {
        if let (Ok(own), Ok(pool)) = (permit.slots.try_acquire(), self.sandbox.slots.try_acquire()) {
            return Ok((own, pool));
        }
        let queue = Waiting::enter(&self.sandbox)?;
        let turn = async {
            let own = permit.slots.acquire().await.map_err(|_| CallError::Busy)?;
            let pool = self.sandbox.slots.acquire().await.map_err(|_| CallError::Busy)?;
            Ok((own, pool))
        };
        let slots = timeout(time, turn).await.map_err(|_| CallError::Busy)?;
        drop(queue);
        slots
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a sandbox::Inner);

impl<'a> Waiting<'a> {
    fn enter(sandbox: &'a sandbox::Inner) -> Result<Self, CallError> {
        let waiting = Self(sandbox);
        if sandbox.waiting.fetch_add(1, Relaxed) >= sandbox.queue { Err(CallError::Busy) } else { Ok(waiting) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { name, version, .. } = &self.0.manifest;
        f.debug_struct("Plugin").field("name", name).field("version", version).finish_non_exhaustive()
    }
}
