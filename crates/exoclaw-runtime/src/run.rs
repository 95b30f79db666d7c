//! One run from its start to its one terminal event.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use exoclaw_agent::{TurnEnd, TurnEvent};
use exoclaw_protocol::{AbortReason, ErrorCode, Event, Metering, RpcError};
use exoclaw_store::{Record, RunOutcome};
use futures::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout_at,
};

use crate::{
    approvals::Parking,
    clock::after,
    journal::{Chain, CutOff, Journal, append_refusal, read_refusal},
    live::LiveRun,
    metrics::RunEnd,
    recovery::Begun,
    runtime::Inner,
    tasks::panic_text,
};

mod inbox;
mod turn;

use inbox::join;
pub(crate) use turn::refusal;
use turn::turn;

/// Events between the turn and the hub. When full the turn waits: publishing is quick and waits for no reader.
const TURN_EVENTS: usize = 64;

/// How a run came to its end.
enum Ending {
    Finished(TurnEnd),
    Aborted(AbortReason),
    Failed(RpcError),
    /// What an earlier process did can't be read, so that the run can't be ended rightly: it is left to the next process.
    Unread(RpcError),
    /// The daemon stops: the next process goes on with it.
    Suspended,
}

impl Ending {
    fn failed(code: ErrorCode, message: &str) -> Self {
        Self::Failed(RpcError::new(code, message))
    }
}

impl From<&Ending> for RunEnd {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Finished(_) => Self::Ok,
            Ending::Aborted(_) => Self::Aborted,
            Ending::Failed(_) | Ending::Unread(_) => Self::Failed,
            Ending::Suspended => Self::Suspended,
        }
    }
}

impl From<RpcError> for Ending {
    fn from(error: RpcError) -> Self {
        Self::Failed(error)
    }
}

/// Runs to the end, whatever happens: exactly one terminal event, and none before the end is durable. A run that is
/// suspended or can't be read has its end in a later process.
/// The messages of the runs that are `joined` to it are answered with its own.
pub(crate) async fn run(inner: &Arc<Inner>, live: LiveRun, joined: Vec<LiveRun>, permit: OwnedSemaphorePermit) {
    let parking = Arc::new(Parking::new(inner.runs.clone(), permit));
    let journal = journal(inner, &live).parked_in(parking.clone());
    let begun = Instant::now();
    let ending = match join(&journal, joined, None).await {
        Ok(()) => drive(inner, &live, &journal, &parking).await,
        Err(error) => Ending::Failed(append_refusal(&error)),
    };
    inner.metrics.run(RunEnd::from(&ending), begun.elapsed());
    let lease = live.lease();
    end(live, &journal, ending).await;
    inner.channels.answered(lease.session().key());
}

/// Ends a run whose turn has not come in this process; says whether it could.
pub(crate) async fn abort(inner: &Arc<Inner>, live: LiveRun, reason: AbortReason) -> bool {
    let journal = journal(inner, &live);
    let mut ending = Ending::Aborted(reason);
    if live.origin.recovered {
        match Begun::read(&*inner.store, live.session().key(), &live.run_id, live.origin.accepted).await {
            Ok(mut begun) => begun.tell(&journal),
            Err(error) => ending = Ending::Unread(read_refusal(&error)),
        }
    }
    let is_aborted = matches!(ending, Ending::Aborted(_));
    end(live, &journal, ending).await;
    is_aborted
}

async fn drive(inner: &Arc<Inner>, live: &LiveRun, journal: &Journal, parking: &Arc<Parking>) -> Ending {
    let (events, mut heard) = mpsc::channel(TURN_EVENTS);
    let publish = async {
        loop {
            let event = match live.deltas.due() {
                None => heard.recv().await,
                Some(due) => match timeout_at(due, heard.recv()).await {
                    Ok(event) => event,
                    Err(_) => {
                        live.flush();
                        continue;
                    }
                },
            };
            let Some(event) = event else { break };
            inner.metrics.turn(&event);
            live.deltas.take(event).into_iter().for_each(|event| live.tell(event));
        }
    };
    let turn = turn(inner.clone(), live.lease(), journal.clone(), live.origin.clone(), parking.clone(), events).boxed();
    let work = async { futures::join!(turn, publish).0 };
    let work = Box::pin(AssertUnwindSafe(work).catch_unwind());
    // A run that waits for people is not waited for.
    let parked = async {
        inner.closing.cancelled().await;
        parking.parked().await;
    };
    let timeout =
        live.origin.options.timeout_ms.map_or(inner.run_timeout, |ms| (ms > 0).then(|| Duration::from_millis(ms)));
    // Every branch is dropped whole when another wins, and nothing is awaited in an arm.
    tokio::select! {
        biased;
        reason = live.stop.asked() => Ending::Aborted(reason),
        () = inner.interrupt.cancelled() => Ending::Suspended,
        () = parked => Ending::Suspended,
        () = after(timeout) => Ending::Aborted(AbortReason::Timeout),
        done = work => match done {
            Ok(Ok(end)) => Ending::Finished(end),
            Ok(Err(ending)) => ending,
            Err(panic) => {
                tracing::error!(run = %live.run_id, panic = panic_text(&*panic), "run panicked");
                Ending::failed(ErrorCode::Internal, "the run failed by a fault of the daemon: the log says more")
            }
        },
    }
}

fn journal(inner: &Arc<Inner>, live: &LiveRun) -> Journal {
    Journal::new(inner.store.clone(), inner.clock.clone(), live.session().key().clone(), live.run_id.clone())
}

async fn end(live: LiveRun, journal: &Journal, ending: Ending) {
    live.flush();
    let (outcome, event) = match ending {
        Ending::Finished(TurnEnd { message, stop_reason, usage }) => {
            (RunOutcome::Ok, Event::Final { message, stop_reason, usage })
        }
        Ending::Aborted(reason) => {
            let text = live.text();
            (RunOutcome::Aborted { text: text.clone(), reason }, Event::Aborted { text, reason })
        }
        Ending::Failed(error) => {
            let outcome = RunOutcome::Failed { code: error.code, message: error.message.clone(), text: live.text() };
            (outcome, error_event(error))
        }
        Ending::Unread(error) => return live.finish(error_event(error)),
        Ending::Suspended => return suspend(live, journal).await,
    };
    match journal.end(outcome).await {
        Ok(cut_off) => {
            for CutOff { call_id, tool: name, output } in cut_off {
                live.tell(TurnEvent::ToolFinished { call_id, name, output, metering: Metering::default() });
            }
            live.finish(event);
        }
        // The run stays open in the journal: the next process takes it up.
        Err(error) => live.finish(error_event(append_refusal(&error))),
    }
}

async fn suspend(live: LiveRun, journal: &Journal) {
    tracing::info!(run = %live.run_id, "run is suspended: it goes on after the next start");
    // Without the record it goes on just as well, but counts as one that was found after a crash.
    if let Err(error) = journal.append(vec![Record::RunSuspended { run_id: live.run_id.clone() }]).await {
        tracing::warn!(run = %live.run_id, error = %Chain(&error), "a run's suspension can't be recorded");
    }
    live.suspend();
}

pub(crate) fn error_event(error: RpcError) -> Event {
    Event::Error { code: error.code, message: error.message, retryable: error.code.is_retryable() }
}
