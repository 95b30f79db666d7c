//! One run from its start to its one terminal event.

use std::{panic::AssertUnwindSafe, sync::Arc};

use exoclaw_agent::{Turn, TurnEnd, TurnError, TurnEvent};
use exoclaw_protocol::{ErrorCode, Event, RpcError};
use exoclaw_store::{AppendError, Record, RunOutcome};
use futures::FutureExt;
use tokio::sync::mpsc;

use crate::{
    history,
    journal::{Chain, Journal, append_refusal, read_refusal},
    live::LiveRun,
    runtime::Inner,
    tasks::panic_text,
    tools::RunTools,
};

/// Events between the turn and the hub. When full the turn waits: publishing is quick and waits for no reader.
const TURN_EVENTS: usize = 64;

/// How a run came to its end.
enum Ending {
    Finished(TurnEnd),
    Aborted,
    Failed(RpcError),
}

impl Ending {
    fn failed(code: ErrorCode, message: &str) -> Self {
        Self::Failed(RpcError::new(code, message))
    }
}

/// Runs to the end, whatever happens: exactly one terminal event, and none before the end is durable.
pub(crate) async fn run(inner: &Arc<Inner>, live: LiveRun) {
    let ending = drive(inner, &live).await;
    end(inner, live, ending).await;
}

/// Ends a run that has not started.
pub(crate) async fn abort(inner: &Arc<Inner>, live: LiveRun) {
    end(inner, live, Ending::Aborted).await;
}

async fn drive(inner: &Arc<Inner>, live: &LiveRun) -> Ending {
    let (events, mut heard) = mpsc::channel(TURN_EVENTS);
    let publish = async {
        while let Some(event) = heard.recv().await {
            live.tell(event);
        }
    };
    let turn = turn(inner.clone(), journal(inner, live), live.accepted, events).boxed();
    let work = async { futures::join!(turn, publish).0 };
    let work = Box::pin(AssertUnwindSafe(work).catch_unwind());
    // Every branch is dropped whole when another wins, and nothing is awaited in an arm.
    tokio::select! {
        biased;
        () = live.abort.cancelled() => Ending::Aborted,
        () = inner.interrupt.cancelled() => Ending::failed(ErrorCode::Interrupted, "the daemon stopped: send again"),
        done = work => match done {
            Ok(Ok(end)) => Ending::Finished(end),
            Ok(Err(error)) => Ending::Failed(error),
            Err(panic) => {
                tracing::error!(run = %live.run_id, panic = panic_text(&*panic), "run panicked");
                Ending::failed(ErrorCode::Internal, "the run failed by a fault of the daemon: the log says more")
            }
        },
    }
}

/// Owns what it needs, so that it borrows nothing from the one who stops it.
async fn turn(
    inner: Arc<Inner>,
    journal: Journal,
    accepted: u64,
    events: mpsc::Sender<TurnEvent>,
) -> Result<TurnEnd, RpcError> {
    let Journal { session, run_id, .. } = journal.clone();
    let agent = inner.agent(session.agent()).ok_or_else(|| {
        let text = format!("the config names no agent {:?} any more: add it, or use another session", session.agent());
        RpcError::new(ErrorCode::UnknownAgent, text)
    })?;
    let started = journal.append(Record::RunStarted { run_id: run_id.clone() }).await;
    started.map_err(|error| append_refusal(&error))?;
    let messages = history::newest(&*inner.store, &session, &run_id, accepted, inner.context).await;
    let messages = messages.map_err(|error| read_refusal(&error))?;

    let mut turn = Turn::new(agent.config.provider.clone(), agent.config.model.clone());
    turn.system = agent.config.system_prompt.clone();
    turn.max_tokens = agent.config.max_tokens;
    turn.tools = Arc::new(RunTools::new(agent.tools.clone(), inner.store.clone(), &session, run_id));
    turn.recorder = Arc::new(journal);
    turn.limits = inner.turn_limits.clone();
    turn.run(messages, events).await.map_err(|error| refusal(&error))
}

fn refusal(error: &TurnError) -> RpcError {
    if let TurnError::Record(record) = error
        && let Some(append) = record.0.downcast_ref::<AppendError>()
    {
        return append_refusal(append);
    }
    tracing::warn!(error = %Chain(error), "run failed");
    let retry_after = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    RpcError { retry_after_ms: retry_after, ..RpcError::new(error.code(), error.to_string()) }
}

fn journal(inner: &Arc<Inner>, live: &LiveRun) -> Journal {
    let (store, clock) = (inner.store.clone(), inner.clock.clone());
    Journal { store, clock, session: live.session().key().clone(), run_id: live.run_id.clone() }
}

async fn end(inner: &Arc<Inner>, live: LiveRun, ending: Ending) {
    let (outcome, event) = match ending {
        Ending::Finished(TurnEnd { message, stop_reason, usage }) => {
            (RunOutcome::Ok, Event::Final { message, stop_reason, usage })
        }
        Ending::Aborted => {
            let text = live.text();
            (RunOutcome::Aborted { text: text.clone() }, Event::Aborted { text })
        }
        Ending::Failed(error) => {
            let outcome = RunOutcome::Failed { code: error.code, message: error.message.clone(), text: live.text() };
            (outcome, error_event(error))
        }
    };
    let ended = Record::RunEnded { run_id: live.run_id.clone(), outcome };
    match journal(inner, &live).append(ended).await {
        Ok(_) => live.finish(event),
        // The run stays open in the journal: recovery ends it.
        Err(error) => live.finish(error_event(append_refusal(&error))),
    }
}

fn error_event(error: RpcError) -> Event {
    Event::Error { code: error.code, message: error.message, retryable: error.code.is_retryable() }
}
