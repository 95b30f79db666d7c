//! Offers plugins to the model as its tools.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use exoclaw_agent::{Invocation, Progress, ToolReturn, Tools};
use exoclaw_protocol::{
    AgentId, Effect, FailureKind, Metering, PluginName, Reconciled, RunId, SessionKey, ToolCall, ToolName, ToolOutput,
    ToolSpec,
};
use exoclaw_sandbox::{Asked, CallError, Called, Denial, Host, KeyValue, OnProgress, Tape, ToolDecl, ToolRequest};
use exoclaw_store::{
    KvScope, Store,
    audit::{Audit, Decision, Entry, What},
};
use futures::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use crate::{
    config::StartError,
    journal::{Chain, effect_key},
    plugins::{Plugins, ReadyPlugin},
};

mod kv;
mod selector;
mod tapes;

use kv::PluginKv;
use selector::model_name;
pub use selector::{Selector, display_name};
pub(crate) use tapes::{Playing, Tapes};

/// The tools of one agent.
#[derive(Debug)]
pub(crate) struct AgentTools {
    agent: AgentId,
    /// [`Selector`]s, as the agent's config has them.
    selectors: Vec<String>,
    /// Replaced as a whole when a plugin is.
    offer: RwLock<Arc<Offer>>,
    /// [`Selector`]s of those whose calls wait until somebody allows them.
    ask: Vec<String>,
}

/// What is offered at a time.
#[derive(Debug, Default)]
struct Offer {
    specs: Arc<[ToolSpec]>,
    /// By the name that the model uses.
    targets: HashMap<String, Target>,
}

type Target = (Arc<ReadyPlugin>, ToolName);

impl AgentTools {
    /// The tools that the agent's config names. A plugin that could not be loaded offers none.
    pub(crate) fn new(agent: &AgentId, selectors: &[String], plugins: &Plugins) -> Result<Self, StartError> {
        let (offer, unknown) = Offer::new(agent, selectors, plugins);
        if let Some(selector) = unknown.into_iter().next() {
            let known = plugins.tool_names().join(", ");
            return Err(StartError::UnknownTool { agent: agent.clone(), tool: selector.clone(), known });
        }
        Ok(Self {
            agent: agent.clone(),
            selectors: selectors.to_vec(),
            offer: RwLock::new(Arc::new(offer)),
            ask: Vec::new(),
        })
    }

    /// Offers what the plugins have now. A tool that is gone is offered no more.
    pub(crate) fn refresh(&self, plugins: &Plugins) {
        let (offer, unknown) = Offer::new(&self.agent, &self.selectors, plugins);
        for selector in unknown {
            tracing::warn!(agent = %self.agent, tool = selector, "tool is not offered any more: no plugin has it");
        }
        *self.offer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offer);
    }

    fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same tools, of which calls of these wait until somebody allows them.
    pub(crate) fn asking(self, ask: &[String]) -> Self {
        Self { ask: ask.to_vec(), ..self }
    }

    /// The effect of a tool whose calls wait until somebody allows them. Its name alone decides, whatever is offered now.
    pub(crate) fn asks_for(&self, name: &str) -> Option<Effect> {
        let shown = display_name(name);
        let asked = |selector: &String| Selector::of(selector).shows(&shown);
        let offer = self.offer();
        let spec = offer.specs.iter().find(|spec| spec.name == name);
        self.ask.iter().any(asked).then(|| spec.map_or(Effect::Once, |spec| spec.effect))
    }

    /// What is offered now.
    pub(crate) fn specs(&self) -> Arc<[ToolSpec]> {
        self.offer().specs.clone()
    }

    fn target(&self, name: &str) -> Option<Target> {
        self.offer().targets.get(name).cloned()
    }
}

impl Offer {
    /// The offer, and which of the selectors name nothing.
    fn new<'a>(agent: &AgentId, selectors: &'a [String], plugins: &Plugins) -> (Self, Vec<&'a String>) {
        let (mut specs, mut targets, mut unknown) = (Vec::new(), HashMap::new(), Vec::new());
        for selector in selectors {
            let named = Selector::of(selector);
            let ready = match plugins.find(named.plugin) {
                Some(Ok(ready)) => ready,
                Some(Err(reason)) => {
                    tracing::warn!(%agent, tool = selector, reason, "tool is not offered");
                    continue;
                }
                None => {
                    unknown.push(selector);
                    continue;
                }
            };
            let manifest = ready.plugin.manifest();
            let mut found = manifest.tools.iter().filter(|decl| named.takes(&decl.name)).peekable();
            if found.peek().is_none() {
                unknown.push(selector);
            }
            for decl in found {
                let spec = spec(&manifest.name, decl);
                let target = (ready.clone(), decl.name.clone());
                if targets.insert(spec.name.clone(), target).is_none() {
                    specs.push(spec);
                }
            }
        }
        (Self { specs: specs.into(), targets }, unknown)
    }
}

/// A selector that fits nothing would ask for nothing. Of a plugin that could not be loaded, nothing is called either.
pub(crate) fn check_ask(ask: &[String], plugins: &Plugins) -> Result<(), StartError> {
    for selector in ask {
        let named = Selector::of(selector);
        let fits = match plugins.find(named.plugin) {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(ready)) => ready.plugin.manifest().tools.iter().any(|decl| named.takes(&decl.name)),
        };
        if !fits {
            let known = plugins.tool_names().join(", ");
            return Err(StartError::UnknownAsk { tool: selector.clone(), known });
        }
    }
    Ok(())
}

fn spec(plugin: &PluginName, decl: &ToolDecl) -> ToolSpec {
    ToolSpec {
        name: model_name(plugin, &decl.name),
        description: decl.description.clone(),
        input_schema: decl.input_schema.clone(),
        effect: decl.effect,
    }
}

/// What a plugin keeps in the store for an agent, if it is granted any.
pub fn plugin_kv(store: &Arc<dyn Store>, plugin: &ReadyPlugin, agent: &AgentId) -> Option<Arc<dyn KeyValue>> {
    let quota = plugin.permit.kv_quota()?;
    let scope = KvScope { plugin: plugin.plugin.manifest().name.clone(), agent: agent.clone() };
    Some(Arc::new(PluginKv { store: Arc::clone(store), scope, quota }))
}

/// The tools of an agent in one run.
#[derive(Debug)]
pub(crate) struct RunTools {
    agent: Arc<AgentTools>,
    store: Arc<dyn Store>,
    audit: Audit,
    /// The same for all runs of a session, and tells a plugin nothing about it.
    session: String,
    run_id: RunId,
    tapes: Tapes,
}

impl RunTools {
    pub(crate) fn new(
        agent: Arc<AgentTools>,
        store: Arc<dyn Store>,
        session: &SessionKey,
        run_id: RunId,
        tapes: Tapes,
    ) -> Self {
        let session = hex::encode(&Sha256::digest(session.as_str())[..16]);
        Self { agent, store, audit: Audit::discard(), session, run_id, tapes }
    }

    /// The same tools, whose denials and stops are recorded.
    pub(crate) fn with_audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    fn host(
        &self,
        plugin: &ReadyPlugin,
        tool: &str,
        progress: Option<tokio::sync::mpsc::Sender<Progress>>,
        tape: Tape,
    ) -> Host {
        let kv = plugin_kv(&self.store, plugin, &self.agent.agent);
        // Dropped when full: it is no result.
        let progress = progress.map(|progress| {
            Arc::new(move |fraction, message| {
                progress.try_send(Progress { fraction, message }).ok();
            }) as OnProgress
        });
        let (audit, agent, tool) = (self.audit.clone(), self.agent.agent.clone(), display_name(tool));
        let denied = move |denial: Denial<'_>| audit.note(denied(denial, &tool).who(format_args!("agent {agent}")));
        Host { kv, progress, tape, denied: Some(Arc::new(denied)) }
    }

    /// A guest that was stopped, or never let run, is recorded; one that merely failed is not.
    fn record(&self, tool: &str, error: &CallError) {
        let (what, decision) = match error.kind() {
            FailureKind::TimedOut | FailureKind::Exhausted | FailureKind::Crashed => (What::Guest, Decision::Stopped),
            FailureKind::Denied => (What::Capability, Decision::Refused),
            _ => return,
        };
        let entry = Entry::new(what, "call", decision).who(format_args!("agent {}", self.agent.agent));
        self.audit.note(entry.object(display_name(tool)).reason(error));
    }

    /// The same for every attempt of a call.
    fn request(&self, tool: ToolName, step: u32, call: ToolCall) -> ToolRequest {
        ToolRequest {
            tool,
            arguments: call.input,
            idempotency_key: effect_key(&self.run_id, step, &call.id),
            call_id: call.id,
            agent: self.agent.agent.clone(),
            session: self.session.clone(),
        }
    }
}

pub(crate) fn denied(denial: Denial<'_>, tool: &str) -> Entry {
    match denial {
        Denial::Http { to, request, reason } => {
            let entry = Entry::new(What::Egress, "request", Decision::Refused).reason(format_args!("{tool}: {reason}"));
            entry.object(to).digest_of(request.as_bytes())
        }
        Denial::Store => Entry::new(What::Capability, "store", Decision::Refused).object(tool).reason("not granted"),
        // The sandbox may come to deny more than this runtime was built with.
        _ => Entry::new(What::Capability, "other", Decision::Refused).object(tool),
    }
}

impl Tools for RunTools {
    fn specs(&self) -> Arc<[ToolSpec]> {
        self.agent.specs()
    }

    fn call(&self, Invocation { step, call, progress }: Invocation) -> BoxFuture<'_, ToolReturn> {
        async move {
            let Some((plugin, tool)) = self.agent.target(&call.name) else {
                let output = ToolOutput::failed(FailureKind::UnknownTool, format!("there is no tool {:?}", call.name));
                return ToolReturn { output, metering: Metering::default() };
            };
            let (name, id) = (call.name.clone(), call.id.clone());
            let (tape, permit) = self.tapes.of(&plugin, step, &id).await;
            let host = self.host(&plugin, &name, Some(progress), tape.clone());
            let request = self.request(tool, step, call);
            let Called { output, metering, detail } = plugin.plugin.call(&permit, request, host).await;
            self.tapes.keep(&tape, &self.run_id, step, id).await;
            if let Some(error) = detail {
                self.record(&name, &error);
                tracing::warn!(run = %self.run_id, tool = name, error = %Chain(&error), "tool call failed");
            }
            ToolReturn { output, metering }
        }
        .boxed()
    }

    fn reconcile(&self, step: u32, call: ToolCall) -> BoxFuture<'_, Reconciled> {
        async move {
            let Some((plugin, tool)) = self.agent.target(&call.name) else { return Reconciled::Unknown };
            let name = call.name.clone();
            let host = self.host(&plugin, &name, None, self.tapes.silent());
            let request = self.request(tool, step, call);
            let Asked { outcome, detail, .. } = plugin.plugin.reconcile(&plugin.permit, request, host).await;
            if let Some(error) = detail {
                self.record(&name, &error);
                tracing::warn!(run = %self.run_id, tool = name, error = %Chain(&error), "asking what became of a call failed");
            }
            outcome
        }
        .boxed()
    }
}
