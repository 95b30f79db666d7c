//! A run that is over, once more: the model says what it said, and the tools are really run again.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use exoclaw_agent::{
    ModelEvent, ModelRequest, ModelStep, Provider, ProviderError, ProviderErrorKind, RecordError, Recorder, ToolReturn,
    Turn, TurnRecord,
};
use exoclaw_protocol::{AgentId, Block, CallId, Message, RunId, SessionKey, ToolCall};
use exoclaw_store::{Entry, MemoryStore, Record};
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use crate::{
    config::StartError,
    plugins::Plugins,
    recordings::RecordedCalls,
    recovery::Begun,
    tools::{AgentTools, Playing, RunTools, Tapes, display_name},
};

/// Events between the turn and nobody: they are dropped as they come.
const EVENTS: usize = 64;

/// One call, then and now.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedCall {
    /// The model step that asked for it, from 0.
    pub step: u32,
    /// The call; its name as people see it.
    pub call: ToolCall,
    /// What it gave back then; none if the run ended before.
    pub then: Option<ToolReturn>,
    /// What it gives back now; none if the turn ends before.
    pub now: Option<ToolReturn>,
    /// What it asked for that was not recorded, in words for people; none if the call was not recorded at all.
    pub missed: Option<Vec<String>>,
}

impl ReplayedCall {
    /// It gives back what it did then.
    pub fn is_same(&self) -> bool {
        let output = |returned: &Option<ToolReturn>| returned.as_ref().map(|returned| returned.output.clone());
        output(&self.then) == output(&self.now)
    }
}

/// A run that can't be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no message to begin with.
    #[error("the run has no message: its record in {0} is damaged or missing")]
    NoMessage(SessionKey),
    /// The session's key names no agent that can be.
    #[error("the session {0} belongs to no agent")]
    NoAgent(SessionKey),
    /// A tool is not there.
    #[error(transparent)]
    Tools(#[from] StartError),
}

/// Runs the tools of a run again. Model steps are those of its records, `entries`; what each call gives back now is compared
/// with what it gave back then, and the model does not hear of it.
///
/// `tools` are named as in an agent's config. A call that was `recorded` is told what it was told then; its directories
/// are laid out below `scratch`. Others read and write what is granted to them: that decides what a replay can change.
/// No request leaves, and plugins' own stores are empty ones in memory.
///
/// # Errors
/// When a tool is not there, or the run has no message.
pub async fn replay(
    session: &SessionKey,
    entries: Vec<Entry>,
    tools: &[String],
    plugins: &Plugins,
    recorded: RecordedCalls,
    scratch: PathBuf,
) -> Result<Vec<ReplayedCall>, ReplayError> {
    let (message, run_id) = message(&entries).ok_or_else(|| ReplayError::NoMessage(session.clone()))?;
    let agent: AgentId = session.agent().parse().map_err(|_| ReplayError::NoAgent(session.clone()))?;
    let offered = Arc::new(AgentTools::new(&agent, tools, plugins)?);
    let steps = Begun::of(entries).steps;

    let journal = Journaled(Mutex::new(steps.iter().map(|step| step.content.clone()).collect()));
    let results = Arc::new(Results::default());
    let mut turn = Turn::new(Arc::new(journal), "journal");
    let playing = Arc::new(Playing::new(recorded, scratch));
    let tapes = Tapes::Play(playing.clone());
    turn.tools = Arc::new(RunTools::new(offered, Arc::new(MemoryStore::new()), session, run_id, tapes));
    turn.recorder = results.clone();
    let (events, mut heard) = mpsc::channel(EVENTS);
    let listen = async { while heard.recv().await.is_some() {} };
    // However it ends: a run that was cut off ends where its journal does.
    let (_, ()) = futures::join!(turn.run(vec![message], events), listen);

    let mut calls = Vec::new();
    for (step, recorded) in (0..).zip(steps) {
        for block in recorded.content.content {
            if let Block::ToolCall { id, name, input } = block {
                let (then, now) = (recorded.results.get(&id).cloned(), results.take(step, &id));
                let missed = playing.missed(step, &id);
                let call = ToolCall { id, name: display_name(&name), input };
                calls.push(ReplayedCall { step, call, then, now, missed });
            }
        }
    }
    Ok(calls)
}

fn message(entries: &[Entry]) -> Option<(Message, RunId)> {
    entries.iter().find_map(|entry| match &entry.record {
        Record::Accepted { message, run_id, .. } => Some((message.clone(), run_id.clone())),
        _ => None,
    })
}

/// The model's steps as they were, one for each time that it is asked.
#[derive(Debug)]
struct Journaled(Mutex<VecDeque<ModelStep>>);

impl Provider for Journaled {
    fn stream(&self, _: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let step = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let over = || ProviderError::new(ProviderErrorKind::Refused, "the journal holds no further step");
        stream::iter([step.map(ModelEvent::Done).ok_or_else(over)]).boxed()
    }
}

/// What calls give back now.
#[derive(Debug, Default)]
struct Results(Mutex<Vec<(u32, CallId, ToolReturn)>>);

impl Results {
    fn take(&self, step: u32, call: &CallId) -> Option<ToolReturn> {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = results.iter().position(|(of, id, _)| *of == step && id == call)?;
        Some(results.swap_remove(place).2)
    }
}

impl Recorder for Results {
    fn record(&self, record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>> {
        if let TurnRecord::Result { step, call, returned } = record {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((step, call.id, returned));
        }
        std::future::ready(Ok(())).boxed()
    }
}
