//! Writes what happens in a run to the store.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::{ModelStep, RecordError, Recorder, ToolReturn, TurnRecord};
use exoclaw_protocol::{CallId, ErrorCode, Message, RpcError, RunId, SessionKey};
use exoclaw_store::{AppendError, Appended, ReadError, Record, Store};
use futures::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use crate::clock::Clock;

/// A run's record is offered so often while the store says that it is busy; a sender is told at once instead.
const BUSY_ATTEMPTS: u32 = 100;

/// Time between two offers.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// The journal of one run.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) session: SessionKey,
    pub(crate) run_id: RunId,
}

impl Journal {
    /// Appends one record; a store that is busy is asked again.
    pub(crate) async fn append(&self, record: Record) -> Result<Appended, AppendError> {
        for _ in 1..BUSY_ATTEMPTS {
            match self.store.append(&self.session, self.clock.now_ms(), vec![record.clone()]).await {
                Err(AppendError::Busy) => tokio::time::sleep(BUSY_WAIT).await,
                done => return done,
            }
        }
        self.store.append(&self.session, self.clock.now_ms(), vec![record]).await
    }

    fn record_of(&self, record: TurnRecord) -> Record {
        let run_id = self.run_id.clone();
        match record {
            TurnRecord::Step { step, content: ModelStep { content, stop_reason, usage } } => {
                Record::Step { run_id, step, content, stop_reason, usage }
            }
            TurnRecord::Intent { step, call, effect } => {
                let key = effect_key(&run_id, step, &call.id);
                let digest = hex::encode(Sha256::digest(call.input.to_string()));
                Record::Intent { run_id, step, call_id: call.id, tool: call.name, digest, effect, key }
            }
            TurnRecord::Result { step, call, returned: ToolReturn { output, metering }, .. } => {
                Record::ToolResult { run_id, step, call_id: call.id, output, metering }
            }
        }
    }
}

impl Recorder for Journal {
    fn record(&self, record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>> {
        let record = self.record_of(record);
        async move {
            let appended = self.append(record).await;
            appended.map(drop).map_err(|error| RecordError(Box::new(error)))
        }
        .boxed()
    }
}

/// The same for every attempt of one effect, and for nothing else.
pub(crate) fn effect_key(run_id: &RunId, step: u32, call_id: &CallId) -> String {
    hex::encode(Sha256::digest(format!("{run_id}/{step}/{call_id}")))
}

/// Tells a repeated message from another one.
pub(crate) fn message_digest(message: &Message) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(message).unwrap_or_default()))
}

/// What a client is told of a failed write; the cause stays in the log.
pub(crate) fn append_refusal(error: &AppendError) -> RpcError {
    match error {
        AppendError::Busy => RpcError::new(ErrorCode::Busy, "the disk is busy: send again in a moment"),
        AppendError::Closed => crate::session::shutting_down(),
        AppendError::ReadOnly { reason } => read_only(reason),
        AppendError::TooLarge { bytes, max } => {
            let text = format!("{bytes} bytes are more than can be saved at once ({max}): send less");
            RpcError::new(ErrorCode::TooLarge, text)
        }
        AppendError::Failed(_) => {
            tracing::error!(error = %Chain(error), "append to the journal failed");
            read_only("the last write failed")
        }
        error => {
            tracing::error!(error = %Chain(error), "append to the journal was refused");
            RpcError::new(ErrorCode::Internal, "this can't be saved: the log says why")
        }
    }
}

/// What a client is told while the store takes no writes.
pub(crate) fn read_only(reason: &str) -> RpcError {
    let text = format!("nothing can be saved at present ({reason}): mend the disk, restart the daemon and send again");
    RpcError::new(ErrorCode::StoreReadOnly, text)
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
