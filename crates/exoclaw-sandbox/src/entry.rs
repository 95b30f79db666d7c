//! The ways into a plugin: each a function that its component exports.

use exoclaw_protocol::{Effect, Reconciled, ToolName, ToolOutput};
use wasmtime::{Result, Store};

use crate::{
    CallError, Limits,
    bindings::{
        ToolPluginPre,
        exoclaw::plugin::types,
        reconciling::{ReconcilingPluginPre, exports::exoclaw::plugin::reconciler},
    },
    outcome, plugin,
    state::State,
};

/// One exported function of a plugin, of a component that is linked already.
pub(crate) trait Entry: Sync {
    /// What the guest gives back.
    type Answer: Send;
    /// What the caller gets.
    type End: Send;

    /// Whether the call's requests carry its idempotency key.
    fn carries_key(plugin: &plugin::Inner, tool: &ToolName) -> bool;

    /// Makes the instance and calls it.
    fn enter(
        &self,
        store: &mut Store<State>,
        request: &types::Request,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Checks what the guest gave back.
    fn end(answer: Self::Answer, limits: &Limits) -> Result<Self::End, CallError>;

    /// Bytes that it gave back.
    fn size(end: &Self::End) -> u64;
}

impl Entry for ToolPluginPre<State> {
    type Answer = Result<types::Output, types::Failure>;
    type End = ToolOutput;

    fn carries_key(plugin: &plugin::Inner, tool: &ToolName) -> bool {
        let effect = plugin.manifest.tool(tool).map(|tool| tool.effect);
        matches!(effect, Some(Effect::Idempotent | Effect::Once))
    }

    async fn enter(&self, store: &mut Store<State>, request: &types::Request) -> Result<Self::Answer> {
        let instance = self.instantiate_async(&mut *store).await?;
        instance.exoclaw_plugin_tool().call_call(store, request).await
    }

    fn end(answer: Self::Answer, limits: &Limits) -> Result<ToolOutput, CallError> {
        outcome::answered(answer, limits)
    }

    fn size(end: &ToolOutput) -> u64 {
        outcome::size(end)
    }
}

impl Entry for ReconcilingPluginPre<State> {
    type Answer = reconciler::Outcome;
    type End = Reconciled;

    /// It asks, and changes nothing.
    fn carries_key(_: &plugin::Inner, _: &ToolName) -> bool {
        false
    }

    async fn enter(&self, store: &mut Store<State>, request: &types::Request) -> Result<Self::Answer> {
        let instance = self.instantiate_async(&mut *store).await?;
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
