//! The turn of a run: a new one, or one that is taken up where its last record stands.

use std::sync::Arc;

use exoclaw_agent::{RecordedStep, Turn, TurnEnd, TurnError, TurnEvent, spans};
use exoclaw_protocol::{ErrorCode, RpcError, SessionKey};
use exoclaw_store::{AppendError, ReadError, Record};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{Ending, inbox::RunInbox};
use crate::{
    approvals::{Parking, RunApprover},
    history::Span,
    journal::{Chain, Journal, append_refusal, read_refusal},
    live::Origin,
    recovery::{Begun, RECOVERIES},
    runtime::Inner,
    session::Told,
    sessions::Lease,
    spending::Purse,
    tools::{RunTools, Tapes},
};

/// Owns what it needs, so that it borrows nothing from the one who stops it.
pub(super) async fn turn(
    inner: Arc<Inner>,
    lease: Lease,
    journal: Journal,
    Origin { accepted, recovered, by, .. }: Origin,
    parking: Arc<Parking>,
    events: mpsc::Sender<TurnEvent>,
) -> Result<TurnEnd, Ending> {
    let (session, run_id) = (lease.session().key().clone(), journal.run_id().clone());
    let named = run_id.clone();
    let begun = if recovered { take_up(&inner, &lease, &journal, accepted).await? } else { Begun::default() };
    let agent = inner.agent(session.agent()).ok_or_else(|| {
        let text = format!("the config names no agent {:?} any more: add it, or use another session", session.agent());
        RpcError::new(ErrorCode::UnknownAgent, text)
    })?;
    let start = match begun.started {
        None => Record::RunStarted { run_id: run_id.clone() },
        Some(_) => Record::RunResumed { run_id: run_id.clone() },
    };
    let appended = journal.append(vec![start]).await.map_err(|error| append_refusal(&error))?;
    // What an earlier process recorded of this run is not told but taken up.
    let through = begun.started.map_or(appended.last, |started| started - 1);
    let (first, summary, settings) = {
        let state = lease.session().lock();
        (state.first_seq, state.summary_seq, state.settings.clone())
    };
    let span = Span { first, summary, accepted, through };
    let messages = inner.recent.conversation(&session, &run_id, span).await;
    let messages = read(&inner, &session, messages).await?;

    let config = agent.config.set_by(&settings);
    let purse = Purse::open(&inner.ledger, &inner.audit, &*inner.store, &session, &config, by.as_ref()).await;
    let purse = read(&inner, &session, purse).await?;

    let mut turn = Turn::new(config.provider.clone(), config.model.clone());
    turn.system = config.system_prompt.clone();
    turn.thinking = config.thinking;
    turn.max_tokens = purse.max_tokens();
    let tapes = Tapes::Record(inner.recordings.clone());
    let tools = RunTools::new(agent.tools.clone(), inner.store.clone(), &session, run_id, tapes);
    turn.tools = Arc::new(tools.with_audit(inner.audit.clone()));
    let journal = Arc::new(journal.paid_from(purse));
    turn.approver = Arc::new(RunApprover {
        approvals: inner.approvals.clone(),
        audit: inner.audit.clone(),
        lifetime: inner.approval_lifetime,
        tools: agent.tools.clone(),
        session,
        journal: (*journal).clone(),
        clock: inner.clock.clone(),
        parking,
        closing: inner.closing.clone(),
        recorded: begun.approvals,
    });
    turn.inbox = Arc::new(RunInbox { inner: inner.clone(), lease, journal: (*journal).clone() });
    turn.recorder = journal.clone();
    turn.meter = journal;
    turn.limits = inner.turn_limits.clone();
    turn.recorded = begun.steps;
    turn.told = begun.told;
    let span = spans::invoke_agent(config.id.as_str(), &config.provider_name, &config.model, &named);
    let ended = turn.run(messages, events).instrument(span.clone()).await;
    spans::ended(&span, &ended);
    Ok(ended.map_err(|error| refusal(&error))?)
}

/// Finds how far an earlier process had come, and makes journal and session know it.
async fn take_up(inner: &Inner, lease: &Lease, journal: &Journal, accepted: u64) -> Result<Begun, Ending> {
    let (session, run_id) = (lease.session(), journal.run_id());
    // Before this process writes anything into the session.
    let known = session.know(&*inner.store).await;
    read(inner, session.key(), known).await.map_err(Ending::Unread)?;
    let begun = Begun::read(&*inner.store, session.key(), run_id, accepted).await;
    let mut begun = read(inner, session.key(), begun).await.map_err(Ending::Unread)?;
    begun.tell(journal);
    session.take_up(run_id, told(&begun.steps));
    if begun.failures >= RECOVERIES {
        let text = format!(
            "the daemon took this run up again {RECOVERIES} times and stopped each time before it got on: send the message \
             again in other words, or look into the log"
        );
        return Err(RpcError::new(ErrorCode::Interrupted, text).into());
    }
    Ok(begun)
}

/// How much of a run is told by a snapshot.
fn told(steps: &[RecordedStep]) -> Told {
    let finished = steps.last().map(|last| last.results.keys().cloned().collect()).unwrap_or_default();
    Told { steps: u32::try_from(steps.len()).unwrap_or(u32::MAX), finished }
}

/// A session with a damaged record is taken out of use: what follows in it could not be answered rightly.
async fn read<T>(inner: &Inner, session: &SessionKey, read: Result<T, ReadError>) -> Result<T, RpcError> {
    if let Err(error @ ReadError::Damaged { .. }) = &read {
        tracing::error!(%session, %error, "session is quarantined");
        if let Err(error) = inner.store.quarantine(session, &error.to_string()).await {
            tracing::error!(%session, error = %Chain(&error), "the quarantine can't be recorded");
        }
    }
    read.map_err(|error| read_refusal(&error))
}

/// What a client is told of a turn that failed.
pub(crate) fn refusal(error: &TurnError) -> RpcError {
    if let TurnError::Record(record) = error
        && let Some(append) = record.0.downcast_ref::<AppendError>()
    {
        return append_refusal(append);
    }
    tracing::warn!(error = %Chain(error), "run failed");
    let retry_after = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    RpcError { retry_after_ms: retry_after, ..RpcError::new(error.code(), error.to_string()) }
}
