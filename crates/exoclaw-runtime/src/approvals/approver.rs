//! Asks for the calls of one run, and waits for the answers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use exoclaw_agent::{Approver, Asked, Decided, RecordError};
use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalResolveResult, CallId, Decision, Effect, FailureKind, RunId, SessionKey, ToolCall,
};
use exoclaw_store::{
    AppendError, Record,
    audit::{self, Audit},
};
use futures::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Answer, Approvals, Listed, Parking, answer, entry};
use crate::{
    clock::Clock,
    journal::{Journal, append_refusal, arguments_digest},
    tools::{AgentTools, display_name},
};

/// What a journal says of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedApproval {
    /// The tool, as the model names it.
    pub(crate) tool: String,
    /// SHA-256 of the arguments in hexadecimal.
    pub(crate) digest: String,
    pub(crate) expires_ms: u64,
    /// None while it waits.
    pub(crate) decision: Option<Decision>,
}

/// Asks for the calls of one run.
#[derive(Debug)]
pub(crate) struct RunApprover {
    pub(crate) approvals: Approvals,
    pub(crate) audit: Audit,
    /// Time for an answer.
    pub(crate) lifetime: Duration,
    pub(crate) tools: Arc<AgentTools>,
    pub(crate) session: SessionKey,
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) parking: Arc<Parking>,
    /// The daemon stops: what is answered now is acted on by the next process.
    pub(crate) closing: CancellationToken,
    /// What earlier processes asked and heard.
    pub(crate) recorded: HashMap<(u32, CallId), RecordedApproval>,
}

impl RunApprover {
    async fn ask_for<'a>(&'a self, step: u32, call: &'a ToolCall, effect: Effect) -> Result<Asked<'a>, AppendError> {
        let digest = arguments_digest(&call.input);
        let known = self.recorded.get(&(step, call.id.clone()));
        // An answer is for these arguments of this tool, and for no others.
        let known = known.filter(|known| known.tool == call.name && known.digest == digest);
        if let Some(decision) = known.and_then(|known| known.decision) {
            return Ok(Asked::Decided(decision));
        }
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = known.map_or_else(|| self.clock.now_ms().saturating_add(lifetime), |known| known.expires_ms);
        let run_id = self.journal.run_id();
        let approval = Approval {
            id: approval_id(run_id, step, &call.id, &digest),
            session: self.session.clone(),
            run_id: run_id.clone(),
            call_id: call.id.clone(),
            tool: display_name(&call.name),
            input: call.input.clone(),
            digest: digest.clone(),
            effect,
            expires_ms,
        };
        let Some(listed) = self.approvals.add(approval.clone(), self.clock.now_ms()) else {
            let text = "not run: too many calls wait to be allowed already. Go on without it, or try again later.";
            return Ok(Asked::Refused(FailureKind::Unavailable, text.to_owned()));
        };
        if known.is_none() {
            let (run_id, call_id, tool) = (run_id.clone(), call.id.clone(), call.name.clone());
            let requested = Record::ApprovalRequested { run_id, step, call_id, tool, digest, expires_ms };
            self.journal.append(vec![requested]).await?;
            self.note("ask", audit::Decision::Asked, &approval);
        }
        let answered = listed.open();
        let waiting = self.wait(step, approval.clone(), listed, answered).map(|decided| decided.map_err(record_error));
        Ok(Asked::Waits(approval, waiting.boxed()))
    }

    /// Waits for the one answer, or until nobody may answer any more, and makes it durable.
    async fn wait(
        &self,
        step: u32,
        approval: Approval,
        // Taken off the list when the run waits no more, however that comes.
        listed: Listed,
        mut answered: oneshot::Receiver<Answer>,
    ) -> Result<Decided, AppendError> {
        self.parking.wait();
        let (decision, by, done) = match answer(&mut answered, &*self.clock, approval.expires_ms).await {
            Some(Answer { verdict, by, done }) => (verdict.into(), by, Some(done)),
            None => {
                self.note("expire", audit::Decision::Refused, &approval);
                (Decision::Expired, None, None)
            }
        };
        let Approval { run_id, call_id, digest, .. } = approval;
        let resolved = Record::ApprovalResolved { run_id, step, call_id, digest, decision, by: by.clone() };
        let appended = self.journal.append(vec![resolved]).await;
        if let Some(done) = done {
            let result = ApprovalResolveResult { decision, by: by.clone() };
            // Whoever answered may have left.
            done.send(appended.as_ref().map(|_| result).map_err(append_refusal)).ok();
        }
        appended?;
        listed.decide(decision);
        if self.closing.is_cancelled() {
            // The run is suspended here.
            std::future::pending::<()>().await;
        }
        self.parking.go_on().await;
        Ok(Decided { decision, by })
    }

    fn note(&self, action: &'static str, decision: audit::Decision, approval: &Approval) {
        self.audit.note(entry(action, decision, approval));
    }
}

impl Approver for RunApprover {
    fn ask<'a>(&'a self, step: u32, call: &'a ToolCall) -> BoxFuture<'a, Result<Asked<'a>, RecordError>> {
        async move {
            match self.tools.asks_for(&call.name) {
                None => Ok(Asked::NotNeeded),
                Some(effect) => self.ask_for(step, call, effect).await.map_err(record_error),
            }
        }
        .boxed()
    }
}

fn record_error(error: AppendError) -> RecordError {
    RecordError(Box::new(error))
}

/// The same whenever one call with the same arguments is asked for, and of no other.
pub(crate) fn approval_id(run_id: &RunId, step: u32, call_id: &CallId, digest: &str) -> ApprovalId {
    let hash = Sha256::digest(format!("approval/{run_id}/{step}/{call_id}/{digest}"));
    ApprovalId::of_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}
