//! Tools and a recorder in memory, and a way to run a turn to its end.

use std::sync::{Arc, Mutex};

use exoclaw_agent::{
    Invocation, Jitter, RecordError, Recorder, ToolReturn, Tools, Turn, TurnEnd, TurnError, TurnEvent, TurnRecord,
};
use exoclaw_protocol::{Effect, Message, Metering, ToolOutput, ToolSpec};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// Tools of one function.
pub(crate) struct Fake<F> {
    names: Vec<&'static str>,
    run: F,
}

impl<F> std::fmt::Debug for Fake<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fake({:?})", self.names)
    }
}

pub(crate) fn tools<F>(names: &[&'static str], run: F) -> Arc<dyn Tools>
where
    F: Fn(Invocation) -> BoxFuture<'static, ToolOutput> + Send + Sync + 'static,
{
    Arc::new(Fake { names: names.to_vec(), run })
}

/// Tools that give their arguments back.
pub(crate) fn echoing(names: &[&'static str]) -> Arc<dyn Tools> {
    tools(names, |invocation| Box::pin(async move { ToolOutput::text(invocation.call.input.to_string()) }))
}

impl<F> Tools for Fake<F>
where
    F: Fn(Invocation) -> BoxFuture<'static, ToolOutput> + Send + Sync + 'static,
{
    fn specs(&self) -> Arc<[ToolSpec]> {
        let spec = |name: &&str| ToolSpec {
            name: (*name).to_owned(),
            description: format!("The tool {name}"),
            input_schema: serde_json::json!({ "type": "object" }),
            effect: Effect::Once,
        };
        self.names.iter().map(spec).collect()
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'_, ToolReturn> {
        let output = (self.run)(invocation);
        Box::pin(async { ToolReturn { output: output.await, metering: Metering::default() } })
    }
}

/// Remembers records as short lines and fails where it is told to.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    fail_at: Option<&'static str>,
}

impl Log {
    pub(crate) fn failing_at(start: &'static str) -> Arc<Self> {
        Arc::new(Self { fail_at: Some(start), ..Self::default() })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn add(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }
}

impl Recorder for Log {
    fn record(&self, record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>> {
        let line = match record {
            TurnRecord::Step { step, .. } => format!("record step {step}"),
            TurnRecord::Intent { call, .. } => format!("record intent {}", call.id),
            TurnRecord::Result { call, returned, .. } => {
                format!("record result {}{}", call.id, if returned.output.is_error { " error" } else { "" })
            }
        };
        Box::pin(async move {
            if self.fail_at.is_some_and(|start| line.starts_with(start)) {
                return Err(RecordError("disk full".into()));
            }
            // A record takes its time: whoever does not wait for it is out of order.
            tokio::task::yield_now().await;
            self.add(line);
            Ok(())
        })
    }
}

#[derive(Debug)]
pub(crate) struct NoJitter;

impl Jitter for NoJitter {
    fn fraction(&self) -> f64 {
        0.0
    }
}

/// Runs a turn and collects its events while it runs.
pub(crate) async fn run(turn: Turn, text: &str) -> (Result<TurnEnd, TurnError>, Vec<TurnEvent>) {
    let (events, mut watched) = mpsc::channel(1);
    let collect = async {
        let mut all = Vec::new();
        while let Some(event) = watched.recv().await {
            all.push(event);
        }
        all
    };
    within_a_minute(async { tokio::join!(turn.run(vec![Message::user(text)], events), collect) }).await
}

/// Fails where it would hang; at once where time is paused.
pub(crate) async fn within_a_minute<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), work).await.unwrap()
}
