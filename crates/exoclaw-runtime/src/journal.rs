//! Writes what happens in a run to the store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exoclaw_agent::{Meter, ModelRequest, ModelStep, OverBudget, RecordError, Recorder, ToolReturn, TurnRecord};
use exoclaw_protocol::{CallId, ErrorCode, Message, Metering, RpcError, RunId, SessionKey, ToolOutput};
use exoclaw_store::{AppendError, Appended, ReadError, Record, RunOutcome, Store};
use futures::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use crate::{approvals::Parking, clock::Clock, spending::Purse};

/// A run's record is offered so often while the store says that it is busy; a sender is told at once instead.
const BUSY_ATTEMPTS: u32 = 100;

/// Time between two offers.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// The journal of one run. Clones are handles of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    session: SessionKey,
    run_id: RunId,
    /// Keeps the run from being parked while a call is under way.
    parking: Option<Arc<Parking>>,
    /// Pays for the model's steps.
    purse: Option<Arc<Purse>>,
    /// Calls with an intent whose result is not on its way to the disk, with their tools; as many as a step has calls.
    begun: Arc<Mutex<BTreeMap<CallPlace, String>>>,
}

/// A call within a run.
type CallPlace = (u32, CallId);

/// A call whose end nobody will hear of.
#[derive(Debug)]
pub(crate) struct CutOff {
    pub(crate) call_id: CallId,
    /// As the model names it.
    pub(crate) tool: String,
    pub(crate) output: ToolOutput,
}

impl Journal {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, session: SessionKey, run_id: RunId) -> Self {
        Self { store, clock, session, run_id, parking: None, purse: None, begun: Arc::default() }
    }

    /// The same journal, of a run that may be parked.
    pub(crate) fn parked_in(self, parking: Arc<Parking>) -> Self {
        Self { parking: Some(parking), ..self }
    }

    /// The same journal, whose steps are paid from a purse.
    pub(crate) fn paid_from(self, purse: Purse) -> Self {
        Self { purse: Some(Arc::new(purse)), ..self }
    }

    pub(crate) fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Appends records; a store that is busy is asked again.
    pub(crate) async fn append(&self, records: Vec<Record>) -> Result<Appended, AppendError> {
        self.append_at(self.clock.now_ms(), records).await
    }

    async fn append_at(&self, at_ms: u64, records: Vec<Record>) -> Result<Appended, AppendError> {
        for _ in 1..BUSY_ATTEMPTS {
            match self.store.append(&self.session, at_ms, records.clone()).await {
                Err(AppendError::Busy) => tokio::time::sleep(BUSY_WAIT).await,
                done => return done,
            }
        }
        self.store.append(&self.session, at_ms, records).await
    }

    /// A call may have been begun, and has no result yet.
    pub(crate) fn begin(&self, step: u32, call_id: CallId, tool: String) {
        let before = self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert((step, call_id), tool);
        if let (None, Some(parking)) = (before, &self.parking) {
            parking.begin();
        }
    }

    /// Writes the end of the run, and before it, that of calls which were begun it is not known what they did.
    pub(crate) async fn end(&self, outcome: RunOutcome) -> Result<Vec<CutOff>, AppendError> {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut records, mut cut_off) = (Vec::new(), Vec::new());
        for ((step, call_id), tool) in begun {
            let (run_id, output) = (self.run_id.clone(), ToolOutput::outcome_unknown());
            cut_off.push(CutOff { call_id: call_id.clone(), tool, output: output.clone() });
            records.push(Record::ToolResult { run_id, step, call_id, output, metering: Metering::default() });
        }
        records.push(Record::RunEnded { run_id: self.run_id.clone(), outcome });
        self.append(records).await.map(|_| cut_off)
    }

    fn record_of(&self, record: TurnRecord) -> Record {
        let run_id = self.run_id.clone();
        match record {
            TurnRecord::Step { step, content: ModelStep { content, stop_reason, usage } } => {
                let cost = self.purse.as_ref().and_then(|purse| purse.cost(&usage));
                Record::Step { run_id, step, content, stop_reason, usage, cost }
            }
            TurnRecord::Intent { step, call, effect } => {
                let key = effect_key(&run_id, step, &call.id);
                let digest = arguments_digest(&call.input);
                Record::Intent { run_id, step, call_id: call.id, tool: call.name, digest, effect, key }
            }
            TurnRecord::Result { step, call, returned: ToolReturn { output, metering } } => {
                Record::ToolResult { run_id, step, call_id: call.id, output, metering }
            }
        }
    }
}

impl Recorder for Journal {
    fn record(&self, record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>> {
        // Noted before it is durable, and forgotten before its result is: a turn that is dropped in between leaves a call
        // marked unknown rather than none, and never two results of one call.
        let mut ends = false;
        match &record {
            TurnRecord::Intent { step, call, .. } => self.begin(*step, call.id.clone(), call.name.clone()),
            TurnRecord::Result { step, call, .. } => {
                let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
                ends = begun.remove(&(*step, call.id.clone())).is_some();
            }
            TurnRecord::Step { .. } => {}
        }
        let (record, at_ms) = (self.record_of(record), self.clock.now_ms());
        // Before it is durable: what was used up is used up.
        if let (Record::Step { usage, cost, .. }, Some(purse)) = (&record, &self.purse) {
            purse.settle(usage, *cost, at_ms);
        }
        async move {
            let appended = self.append_at(at_ms, vec![record]).await;
            if let (true, Some(parking)) = (ends, &self.parking) {
                parking.end();
            }
            appended.map(drop).map_err(|error| RecordError(Box::new(error)))
        }
        .boxed()
    }
}

impl Meter for Journal {
    fn admit(&self, request: &ModelRequest) -> Result<(), OverBudget> {
        self.purse.as_ref().map_or(Ok(()), |purse| purse.admit(request, self.clock.now_ms()))
    }
}

/// The same for every attempt of one effect, and for nothing else.
pub(crate) fn effect_key(run_id: &RunId, step: u32, call_id: &CallId) -> String {
    hex::encode(Sha256::digest(format!("{run_id}/{step}/{call_id}")))
}

/// Tells one set of arguments from another.
pub(crate) fn arguments_digest(input: &serde_json::Value) -> String {
    hex::encode(Sha256::digest(input.to_string()))
}

/// Tells a repeated message from another one: SHA-256 of its JSON, in hexadecimal.
pub fn message_digest(message: &Message) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(message).unwrap_or_default()))
}

/// What a client is told of a failed write; the cause stays in the log.
pub(crate) fn append_refusal(error: &AppendError) -> RpcError {
    match error {
        AppendError::Busy => RpcError::new(ErrorCode::Busy, "the disk is busy: send again in a moment"),
        AppendError::Closed => crate::session::shutting_down(),
        AppendError::ReadOnly { reason } => read_only(reason),
        AppendError::Quarantined { .. } => {
            let text = format!("{error}: go on in another session; `exoclawd store check` says more");
            RpcError::new(ErrorCode::Internal, text)
        }
        AppendError::TooLarge { bytes, max } => {
            let text = format!("{bytes} bytes are more than can be saved at once ({max}): send less");
            RpcError::new(ErrorCode::TooLarge, text)
        }
        AppendError::Failed(_) => {
            tracing::error!(error = %Chain(error), "append to the journal failed");
            read_only("the last write failed; check the disk, then restart")
        }
        error => {
            tracing::error!(error = %Chain(error), "append to the journal was refused");
            RpcError::new(ErrorCode::Internal, "this can't be saved: the log says why")
        }
    }
}

/// What a client is told while the store takes no writes; the reason says what helps.
pub(crate) fn read_only(reason: &str) -> RpcError {
    RpcError::new(ErrorCode::StoreReadOnly, format!("nothing can be saved at present: {reason}"))
}

/// What a client is told of a failed read; the cause stays in the log.
pub(crate) fn read_refusal(error: &ReadError) -> RpcError {
    match error {
        ReadError::Closed => crate::session::shutting_down(),
        ReadError::Damaged { .. } => RpcError::new(ErrorCode::Internal, error.to_string()),
        error => {
            tracing::error!(error = %Chain(error), "read from the store failed");
            RpcError::new(ErrorCode::Internal, "the session can't be read: the log says why")
        }
    }
}

/// Shows an error with everything that lies beneath it, for the log.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
