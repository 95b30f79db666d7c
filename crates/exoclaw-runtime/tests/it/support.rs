//! A runtime in memory, and a store that can be made to fail.

mod store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use exoclaw_agent::{
    Provider,
    test_util::{Answer, Script, ScriptedProvider},
};
use exoclaw_protocol::{
    Block, ChatAbortParams, ChatHistoryParams, ChatSendParams, ChatSendResult, Event, HistoryMessage, Message,
    RpcError, RunId, SessionEvent, SessionRef, SessionSubscribeParams, SessionSubscribeResult,
};
use exoclaw_router::Router;
use exoclaw_runtime::{
    AgentConfig, Clock, Parts, PluginSlot, Plugins, Runtime, RuntimeConfig, StartError, Subscription,
};
use exoclaw_store::{MemoryStore, Page, Record, Store};
use tokio::sync::Semaphore;

pub(crate) use store::{Fault, TestStore};

/// Far longer than anything here takes. Where time is paused, a test that hangs fails at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that goes on by a millisecond each time it is read.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000_000))
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// A runtime with one agent, `main`, whose model follows a script.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) script: Script,
    pub(crate) store: Arc<TestStore>,
    pub(crate) clock: Arc<TestClock>,
}

pub(crate) fn config(provider: Arc<dyn Provider>) -> RuntimeConfig {
    RuntimeConfig::new(vec![AgentConfig::new("main".parse().unwrap(), "scripted", provider, "model-1")])
}

pub(crate) fn router() -> Router {
    Router::new(vec!["main".parse().unwrap()], "main".parse().unwrap(), vec![]).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        Self::over(Arc::new(MemoryStore::new()), Arc::default(), change).await
    }

    pub(crate) async fn over(
        store: Arc<dyn Store>,
        clock: Arc<TestClock>,
        change: impl FnOnce(&mut RuntimeConfig),
    ) -> Self {
        Self::of(store, clock, Plugins::default(), [], change).await.unwrap()
    }

    pub(crate) async fn try_with(change: impl FnOnce(&mut RuntimeConfig)) -> Result<Self, StartError> {
        Self::of(Arc::new(MemoryStore::new()), Arc::default(), Plugins::default(), [], change).await
    }

    /// An agent that may call these tools.
    pub(crate) async fn with_tools(slots: Vec<PluginSlot>, tools: &[&str]) -> Result<Self, StartError> {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let change = |config: &mut RuntimeConfig| config.agents[0].tools = tools;
        Self::of(Arc::new(MemoryStore::new()), Arc::default(), Plugins::new(slots), [], change).await
    }

    pub(crate) async fn of(
        store: Arc<dyn Store>,
        clock: Arc<TestClock>,
        plugins: Plugins,
        answers: impl IntoIterator<Item = Answer>,
        change: impl FnOnce(&mut RuntimeConfig),
    ) -> Result<Self, StartError> {
        let (provider, script) = ScriptedProvider::new();
        for answer in answers {
            script.answer(answer);
        }
        let mut config = config(provider);
        change(&mut config);
        let store = Arc::new(TestStore::new(store));
        let parts = Parts { router: router(), store: store.clone(), plugins, clock: clock.clone() };
        let runtime = Runtime::start(config, parts).await?;
        Ok(Self { runtime, script, store, clock })
    }

    /// A new process over the same store, which finds it as a crash would have left it.
    pub(crate) async fn restart(&self) -> Self {
        Self::over(self.store.inner().clone(), self.clock.clone(), |_| {}).await
    }

    /// As [`World::restart`], with the answers that its model gives.
    pub(crate) async fn restart_to(&self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.restart_with(Plugins::default(), &[], answers).await
    }

    /// As [`World::restart_to`], with an agent that may call these tools.
    pub(crate) async fn restart_with(
        &self,
        plugins: Plugins,
        tools: &[&str],
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let change = |config: &mut RuntimeConfig| config.agents[0].tools = tools;
        let (store, clock) = (self.store.inner().clone(), self.clock.clone());
        Self::of(store, clock, plugins, answers, change).await.unwrap()
    }

    /// A process over a store in which an earlier one may have left something, with the answers that its model gives.
    pub(crate) async fn found(store: Arc<dyn Store>, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::of(store, Arc::default(), Plugins::default(), answers, |_| {}).await.unwrap()
    }

    pub(crate) async fn send(&self, text: &str) -> (ChatSendResult, Subscription) {
        self.send_to("main", text).await
    }

    pub(crate) async fn send_to(&self, session: &str, text: &str) -> (ChatSendResult, Subscription) {
        self.runtime.send_and_subscribe(message(session, text)).await.unwrap()
    }

    pub(crate) async fn send_keyed(&self, text: &str, key: &str) -> Result<ChatSendResult, RpcError> {
        self.runtime.send(ChatSendParams { idempotency_key: Some(key.parse().unwrap()), ..message("main", text) }).await
    }

    pub(crate) async fn abort(&self, run_id: Option<&RunId>) -> Vec<RunId> {
        let params = ChatAbortParams { session: name("main"), run_id: run_id.cloned() };
        let result = self.runtime.abort(params).await.unwrap();
        assert_eq!(result.aborted, !result.run_ids.is_empty());
        result.run_ids
    }

    pub(crate) async fn history(&self) -> Vec<HistoryMessage> {
        self.history_of(None, None).await
    }

    pub(crate) async fn history_of(&self, limit: Option<u32>, max_bytes: Option<u32>) -> Vec<HistoryMessage> {
        let params = ChatHistoryParams { limit, max_bytes, ..ChatHistoryParams::new(name("main")) };
        self.runtime.history(params).await.unwrap().messages
    }

    pub(crate) async fn subscribe(&self, position: Option<(u64, u64)>) -> (SessionSubscribeResult, Subscription) {
        self.subscribe_to("main", position).await
    }

    pub(crate) async fn subscribe_to(
        &self,
        session: &str,
        position: Option<(u64, u64)>,
    ) -> (SessionSubscribeResult, Subscription) {
        let (epoch, seq) = position.unzip();
        self.runtime.subscribe(SessionSubscribeParams { session: name(session), epoch, seq }).await.unwrap()
    }

    /// Names of the records of `agent:main:main`, in order.
    pub(crate) async fn journal(&self) -> Vec<&'static str> {
        let page = Page { entries: 10_000, bytes: u64::MAX };
        let session = "agent:main:main".parse().unwrap();
        let entries = self.store.inner().read(&session, 0, page).await.unwrap();
        entries.iter().map(|entry| record_name(&entry.record)).collect()
    }
}

pub(crate) fn record_name(record: &Record) -> &'static str {
    match record {
        Record::Accepted { .. } => "accepted",
        Record::RunStarted { .. } => "started",
        Record::Step { .. } => "step",
        Record::ApprovalRequested { .. } => "asked",
        Record::ApprovalResolved { .. } => "decided",
        Record::Intent { .. } => "intent",
        Record::RunResumed { .. } => "resumed",
        Record::RunSuspended { .. } => "suspended",
        Record::ToolResult { .. } => "result",
        Record::RunEnded { .. } => "ended",
        Record::Set { .. } => "set",
        Record::Reset {} => "reset",
        Record::Compacted { .. } => "compacted",
        Record::Noted { .. } => "noted",
        Record::Delivered { .. } => "delivered",
        _ => "another",
    }
}

pub(crate) fn name(session: &str) -> SessionRef {
    session.parse().unwrap()
}

pub(crate) fn message(session: &str, text: &str) -> ChatSendParams {
    ChatSendParams::text(name(session), text)
}

/// The next event.
pub(crate) async fn next(subscription: &mut Subscription) -> SessionEvent {
    let published = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("no event came").unwrap();
    published.event().clone()
}

/// Events up to and with the terminal one of a run.
pub(crate) async fn events(subscription: &mut Subscription, run_id: &RunId) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    loop {
        let event = next(subscription).await;
        let is_last = event.run_id == *run_id && event.event.is_terminal();
        events.push(event);
        if is_last {
            return events;
        }
    }
}

/// The terminal event of a run.
pub(crate) async fn end(subscription: &mut Subscription, run_id: &RunId) -> Event {
    events(subscription, run_id).await.pop().unwrap().event
}

/// Names of events as on the wire, deltas with their text.
pub(crate) fn names(events: &[SessionEvent]) -> Vec<String> {
    let name = |event: &SessionEvent| match &event.event {
        Event::Delta { text } => format!("delta {text}"),
        Event::Error { code, .. } => format!("error {code}"),
        other => serde_json::to_value(other).unwrap()["type"].as_str().unwrap().to_owned(),
    };
    events.iter().map(name).collect()
}

/// A future that waits for a permit of the gate.
pub(crate) fn opened(gate: &Arc<Semaphore>) -> impl Future<Output = ()> + Send + use<> {
    let gate = gate.clone();
    async move { gate.acquire().await.unwrap().forget() }
}

/// A message in short: who, the text, and why it was interrupted.
pub(crate) fn short(message: &HistoryMessage) -> String {
    let text: String = message.content.iter().map(short_block).collect();
    let interrupted = message.interrupted.map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{:?}: {text}{interrupted}", message.role)
}

fn short_block(block: &Block) -> String {
    match block {
        Block::Text { text } => text.clone(),
        Block::ToolCall { id, name, .. } => format!("[{id} {name}]"),
        Block::ToolResult { id, is_error, .. } => format!("[{id} {}]", if *is_error { "failed" } else { "done" }),
        other => format!("{other:?}"),
    }
}

/// The messages of a model request in short.
pub(crate) fn asked(script: &Script, request: usize) -> Vec<String> {
    let requests = script.requests();
    let short = |message: &Message| {
        format!("{:?}: {}", message.role, message.content.iter().map(short_block).collect::<String>())
    };
    requests[request].messages.iter().map(short).collect()
}

/// Lets every task go on that can.
pub(crate) async fn settle() {
    // Time is paused: the timer fires once nothing else can run.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
