//! The ways into a plugin: each a function that its component exports.

use std::sync::Arc;

use exoclaw_protocol::{Effect, Reconciled, ToolName, ToolOutput};
use serde_json::Value;
use wasmtime::{Result, Store, bail, component};

use crate::{
    CallError, Limits,
    bindings::{
        ToolPlugin, ToolPluginPre,
        exoclaw::plugin::types,
        reconciling::{ReconcilingPlugin, ReconcilingPluginPre, exports::exoclaw::plugin::reconciler},
    },
    functions::{self, Functions, Given},
    outcome, plugin,
    state::State,
};

/// One exported function of a plugin, of a component that is linked already.
pub(crate) trait Entry: Sync {
    /// An instance with this function.
    type Instance: Send + Sync;
    /// What the guest gives back.
    type Answer: Send;
    /// What the caller gets.
    type End: Send;

    /// Whether the call's requests carry its idempotency key.
    fn carries_key(plugin: &plugin::Inner, tool: &ToolName) -> bool;

    /// An instance that was made ahead, if there is one.
    fn ready(plugin: &Arc<plugin::Inner>) -> Option<(Store<State>, Self::Instance)>;

    /// Makes an instance.
    fn instantiate(&self, store: &mut Store<State>) -> impl Future<Output = Result<Self::Instance>> + Send;

    /// Calls it. The arguments are those of the request.
    fn call(
        &self,
        instance: &Self::Instance,
        store: &mut Store<State>,
        request: &types::Request,
        arguments: &Value,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Checks what the guest gave back.
    fn end(answer: Self::Answer, limits: &Limits) -> Result<Self::End, CallError>;

    /// Bytes that it gave back.
    fn size(end: &Self::End) -> u64;
}

/// The tools of a plugin: through the interface of plugins, or as plain functions.
pub(crate) enum Tools {
    Interface(ToolPluginPre<State>),
    Functions(Functions),
}

/// An instance whose tools can be called.
pub(crate) enum Instance {
    Interface(ToolPlugin),
    Functions(component::Instance),
}

/// What a tool gave back.
pub(crate) enum Answer {
    Interface(Result<types::Output, types::Failure>),
    Function(Given),
}

impl Entry for Tools {
    type Instance = Instance;
    type Answer = Answer;
    type End = ToolOutput;

    fn carries_key(plugin: &plugin::Inner, tool: &ToolName) -> bool {
        let effect = plugin.manifest.tool(tool).map(|tool| tool.effect);
        matches!(effect, Some(Effect::Idempotent | Effect::Once))
    }

    fn ready(plugin: &Arc<plugin::Inner>) -> Option<(Store<State>, Instance)> {
        plugin.sandbox.maker.take(plugin)
    }

    async fn instantiate(&self, store: &mut Store<State>) -> Result<Instance> {
        Ok(match self {
            Self::Interface(tools) => Instance::Interface(tools.instantiate_async(store).await?),
            Self::Functions(functions) => Instance::Functions(functions.instantiate(store).await?),
        })
    }

    async fn call(
        &self,
        instance: &Instance,
        store: &mut Store<State>,
        request: &types::Request,
        arguments: &Value,
    ) -> Result<Self::Answer> {
        match (self, instance) {
            (_, Instance::Interface(instance)) => {
                instance.exoclaw_plugin_tool().call_call(store, request).await.map(Answer::Interface)
            }
            (Self::Functions(functions), Instance::Functions(instance)) => {
                functions.call(instance, store, &request.tool, arguments).await.map(Answer::Function)
            }
            (Self::Interface(_), Instance::Functions(_)) => bail!("the instance is another component's"),
        }
    }

    fn end(answer: Self::Answer, limits: &Limits) -> Result<ToolOutput, CallError> {
        match answer {
            Answer::Interface(answer) => outcome::answered(answer, limits),
            Answer::Function(given) => functions::answered(given, limits),
        }
    }

    fn size(end: &ToolOutput) -> u64 {
        outcome::size(end)
    }
}

impl Entry for ReconcilingPluginPre<State> {
    type Instance = ReconcilingPlugin;
    type Answer = reconciler::Outcome;
    type End = Reconciled;

    /// It asks, and changes nothing.
    fn carries_key(_: &plugin::Inner, _: &ToolName) -> bool {
        false
    }

    /// It is asked rarely.
    fn ready(_: &Arc<plugin::Inner>) -> Option<(Store<State>, ReconcilingPlugin)> {
        None
    }

    async fn instantiate(&self, store: &mut Store<State>) -> Result<ReconcilingPlugin> {
        self.instantiate_async(store).await
    }

    async fn call(
        &self,
        instance: &ReconcilingPlugin,
        store: &mut Store<State>,
        request: &types::Request,
        _: &Value,
    ) -> Result<Self::Answer> {
        instance.exoclaw_plugin_reconciler().call_reconcile(store, request).await
    }

    fn end(answer: Self::Answer, limits: &Limits) -> Result<Reconciled, CallError> {
        Ok(match answer {
            reconciler::Outcome::Happened(output) => Reconciled::Happened(outcome::answered(Ok(output), limits)?),
            reconciler::Outcome::NotHappened => Reconciled::NotHappened,
            reconciler::Outcome::Unknown => Reconciled::Unknown,
        })
    }

    fn size(end: &Reconciled) -> u64 {
        match end {
            Reconciled::Happened(output) => outcome::size(output),
            Reconciled::NotHappened | Reconciled::Unknown => 0,
        }
    }
}
