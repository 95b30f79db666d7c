//! What is asked outside of runs: by people who call a tool themselves, and by clients that do things elsewhere.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::Decided;
use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalResolveResult, Decision, ErrorCode, RpcError, SessionRef, TokenName, limits,
};
use exoclaw_store::audit::{self, Audit};
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};

use super::{Answer, Approvals, Listed, answer, entry};
use crate::clock::Clock;

/// What a client asks for before it does something elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Names it; none that waits may have this name.
    pub id: ApprovalId,
    /// The session that it is asked for.
    pub session: SessionRef,
    /// What would be done. Without a `.`, so that it is not taken for a tool.
    pub what: String,
    /// With what, exactly; whoever answers sees it.
    pub input: Value,
    /// Time for an answer, at most that which calls of tools have.
    pub lifetime: Duration,
}

/// What became of something that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The approval.
    pub id: ApprovalId,
    /// When it was asked, in milliseconds since 1970.
    pub asked_ms: u64,
    /// Until when it could be answered, in milliseconds since 1970.
    pub expires_ms: u64,
    /// None where whoever asked waits no more.
    pub decision: Option<Decision>,
}

/// What happened to something that was asked outside of runs.
#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalEvent {
    /// It was asked.
    Asked {
        /// What.
        approval: Approval,
        /// When, in milliseconds since 1970.
        asked_ms: u64,
    },
    /// It was answered, or can't be any more.
    Decided {
        /// The approval.
        id: ApprovalId,
        /// What became of it.
        decision: Decision,
        /// The credential that answered, if that is known.
        by: Option<TokenName>,
    },
}

/// An approval outside of runs that waits. It is withdrawn when this goes.
#[derive(Debug)]
pub(crate) struct Open {
    approval: Approval,
    listed: Listed,
    answered: oneshot::Receiver<Answer>,
}

impl Approvals {
    /// Asks those who may answer.
    ///
    /// # Errors
    /// `busy` where too many wait, `conflict` where one of that name does.
    pub(crate) fn ask(&self, approval: Approval, asked_ms: u64) -> Result<Open, RpcError> {
        let listed = {
            let mut waiting = self.lock();
            if waiting.pending.contains_key(&approval.id) {
                return Err(RpcError::new(ErrorCode::Conflict, "an approval of that name waits already"));
            }
            let outside = waiting.pending.values().filter(|pending| pending.outside).count();
            if outside >= limits::ASKED_APPROVALS || waiting.pending.len() >= limits::APPROVALS {
                return Err(RpcError::new(ErrorCode::Busy, "too many calls wait to be allowed already"));
            }
            self.enter(&mut waiting, approval.clone(), asked_ms, true)
        };
        let answered = listed.open();
        self.tell(ApprovalEvent::Asked { approval: approval.clone(), asked_ms });
        Ok(Open { approval, listed, answered })
    }

    /// Tells what becomes of the one of that name once it is known; none where there is none, or it is long ago.
    pub(crate) async fn outcome(&self, id: &ApprovalId) -> Option<Outcome> {
        let (mut outcome, mut decision) = {
            let waiting = self.lock();
            let over = || waiting.over.iter().rev().find(|outcome| outcome.id == *id).cloned();
            let Some(pending) = waiting.pending.get(id) else { return over() };
            (pending.outcome(None), pending.decision.subscribe())
        };
        // An error where whoever asked waits no more.
        outcome.decision = decision.wait_for(Option::is_some).await.ok().and_then(|decision| *decision);
        Some(outcome)
    }

    /// What happens to those that are asked outside of runs, from here on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Arc<ApprovalEvent>> {
        self.events.subscribe()
    }

    pub(super) fn tell(&self, event: ApprovalEvent) {
        // There may be nobody who listens.
        self.events.send(Arc::new(event)).ok();
    }
}

impl Open {
    pub(crate) fn approval(&self) -> &Approval {
        &self.approval
    }

    /// Waits for the one answer, or until nobody may answer any more.
    pub(crate) async fn decided(mut self, clock: &dyn Clock, audit: &Audit) -> Decided {
        let decided = match answer(&mut self.answered, clock, self.approval.expires_ms).await {
            Some(Answer { verdict, by, done }) => {
                let decision = verdict.into();
                // Whoever answered may have left. That they did is in the audit trail.
                done.send(Ok(ApprovalResolveResult { decision, by: by.clone() })).ok();
                Decided { decision, by }
            }
            None => {
                audit.note(entry("expire", audit::Decision::Refused, &self.approval));
                Decided { decision: Decision::Expired, by: None }
            }
        };
        let Decided { decision, by } = decided.clone();
        self.listed.decide(decision);
        self.listed.approvals.tell(ApprovalEvent::Decided { id: self.approval.id.clone(), decision, by });
        decided
    }
}
