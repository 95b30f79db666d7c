//! The ways into a plugin: each a function that its component exports.

use std::sync::Arc;

use exoclaw_protocol::{CallId, Reconciled, ToolOutput};
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
    /// What the guest is given.
    type Input: Send + Sync;
    /// What the guest gives back.
    type Answer: Send;
    /// What the caller gets.
    type End: Send;

    /// An instance that was made ahead, if there is one: none where calls are rare, or may be anybody's.
    fn ready(_: &Arc<plugin::Inner>) -> Option<(Store<State>, Self::Instance)> {
        None
    }

    /// Makes an instance.
    fn instantiate(&self, store: &mut Store<State>) -> impl Future<Output = Result<Self::Instance>> + Send;

    /// Calls it.
    fn call(
        &self,
        instance: &Self::Instance,
        store: &mut Store<State>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Checks what the guest gave back.
    fn end(answer: Self::Answer, limits: &Limits) -> Result<Self::End, CallError>;

    /// Bytes that it gave back.
    fn size(end: &Self::End) -> u64;
}

/// One call of one such function.
pub(crate) struct Call<I> {
    pub(crate) id: CallId,
    /// What its requests carry, if they do.
    pub(crate) key: Option<String>,
    /// What secrets are looked for in: headers of the request that a channel reads, as they came.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Bytes that the guest is given.
    pub(crate) bytes: u64,
    pub(crate) input: I,
}

/// What a tool is given.
pub(crate) struct ToolInput {
    pub(crate) request: types::Request,
    /// Those of the request, for functions with types of their own.
    pub(crate) arguments: Value,
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
    type Input = ToolInput;
    type Answer = Answer;
    type End = ToolOutput;

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
        ToolInput { request, arguments }: &ToolInput,
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
    type Input = ToolInput;
    type Answer = reconciler::Outcome;
    type End = Reconciled;

    async fn instantiate(&self, store: &mut Store<State>) -> Result<ReconcilingPlugin> {
        self.instantiate_async(store).await
    }

    async fn call(
        &self,
        instance: &ReconcilingPlugin,
        store: &mut Store<State>,
        input: &ToolInput,
    ) -> Result<Self::Answer> {
        instance.exoclaw_plugin_reconciler().call_reconcile(store, &input.request).await
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
