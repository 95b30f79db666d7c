//! Calls that wait until somebody allows them.
//!
//! What is asked, and what is answered, stands in the journal of the run before anybody hears of it, written by the run
//! itself; the registry here only leads an answer to the run that waits for it. An approval is of one call with one set of
//! arguments and is used once.

mod approver;
mod parking;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{Approval, ApprovalId, ApprovalResolveResult, RpcError, TokenName, Verdict, limits};
use tokio::sync::oneshot;

pub(crate) use approver::{RecordedApproval, RunApprover};
pub(crate) use parking::Parking;

/// The approvals that wait, of all runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Approvals(Arc<Mutex<BTreeMap<ApprovalId, Pending>>>);

/// An approval that waits.
#[derive(Debug)]
struct Pending {
    approval: Approval,
    /// Leads to the run; there once the question is durable, and taken by the one answer that there is.
    answer: Option<oneshot::Sender<Answer>>,
}

/// What somebody answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) by: Option<TokenName>,
    /// Hears of it when the answer is durable.
    pub(crate) done: oneshot::Sender<Result<ApprovalResolveResult, RpcError>>,
}

/// Takes an approval off the list when the run waits no more.
#[derive(Debug)]
pub(crate) struct Listed {
    id: ApprovalId,
    approvals: Approvals,
}

impl Approvals {
    /// Takes a place for an approval; none where there are too many.
    fn add(&self, approval: Approval) -> Option<Listed> {
        let mut pending = self.lock();
        if pending.len() >= limits::APPROVALS {
            return None;
        }
        let id = approval.id.clone();
        pending.insert(id.clone(), Pending { approval, answer: None });
        Some(Listed { id, approvals: self.clone() })
    }

    /// Those that wait and can be answered.
    pub(crate) fn list(&self) -> Vec<Approval> {
        let pending = self.lock();
        let open = pending.values().filter(|pending| pending.answer.is_some());
        let mut list: Vec<_> = open.map(|pending| pending.approval.clone()).collect();
        list.sort_by_key(|approval| approval.expires_ms);
        list
    }

    /// The way to the run that asked, if `fits` agrees that this is what was asked. There is one.
    pub(crate) fn take(
        &self,
        id: &ApprovalId,
        fits: impl FnOnce(&Approval) -> Result<(), RpcError>,
    ) -> Result<Option<oneshot::Sender<Answer>>, RpcError> {
        let mut pending = self.lock();
        let Some(found) = pending.get_mut(id) else { return Ok(None) };
        fits(&found.approval)?;
        Ok(found.answer.take())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ApprovalId, Pending>> {
        // Every change is complete before the lock goes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    /// Shows the approval to those who may answer.
    fn open(&self) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        if let Some(pending) = self.approvals.lock().get_mut(&self.id) {
            pending.answer = Some(answer);
        }
        answered
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.approvals.lock().remove(&self.id);
    }
}
