//! Calls that wait until somebody allows them.
//!
//! What a run asks, and what is answered, stands in its journal before anybody hears of it, written by the run itself; the
//! registry here only leads an answer to whoever waits for it. What is asked outside of runs is kept here alone, and ends
//! with the process. An approval is of one call with one set of arguments and is used once.

mod approver;
mod outside;
mod parking;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exoclaw_protocol::{Approval, ApprovalId, ApprovalResolveResult, Decision, RpcError, TokenName, Verdict, limits};
use exoclaw_store::audit::{self, Entry, What};
use tokio::sync::{broadcast, oneshot, watch};

use crate::clock::Clock;

pub(crate) use approver::{RecordedApproval, RunApprover, approval_id};
pub(crate) use outside::Open;
pub use outside::{ApprovalEvent, Outcome, Question};
pub(crate) use parking::Parking;

/// Events of which somebody who is slow hears late; beyond them the oldest are not told.
const EVENTS: usize = 64;

/// The approvals that wait, of all runs and outside of them.
#[derive(Debug, Clone)]
pub(crate) struct Approvals {
    waiting: Arc<Mutex<Waiting>>,
    events: broadcast::Sender<Arc<ApprovalEvent>>,
}

#[derive(Debug, Default)]
struct Waiting {
    pending: BTreeMap<ApprovalId, Pending>,
    /// What became of the last ones, for who asks late; the oldest go first.
    over: VecDeque<Outcome>,
}

/// An approval that waits.
#[derive(Debug)]
struct Pending {
    approval: Approval,
    asked_ms: u64,
    /// It is no run's.
    outside: bool,
    /// Leads to whoever asked; there once the question is durable, and taken by the one answer that there is.
    answer: Option<oneshot::Sender<Answer>>,
    /// Tells what became of it to whoever waits for that.
    decision: watch::Sender<Option<Decision>>,
}

/// What somebody answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) by: Option<TokenName>,
    /// Hears of it when the answer is durable.
    pub(crate) done: oneshot::Sender<Result<ApprovalResolveResult, RpcError>>,
}

/// Takes an approval off the list when nobody waits for an answer any more.
#[derive(Debug)]
pub(crate) struct Listed {
    id: ApprovalId,
    approvals: Approvals,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { waiting: Arc::default(), events: broadcast::Sender::new(EVENTS) }
    }
}

impl Approvals {
    /// Takes a place for an approval of a run; none where there are too many.
    fn add(&self, approval: Approval, asked_ms: u64) -> Option<Listed> {
        let mut waiting = self.lock();
        (waiting.pending.len() < limits::APPROVALS).then(|| self.enter(&mut waiting, approval, asked_ms, false))
    }

    fn enter(&self, waiting: &mut Waiting, approval: Approval, asked_ms: u64, outside: bool) -> Listed {
        let id = approval.id.clone();
        let decision = watch::Sender::new(None);
        waiting.pending.insert(id.clone(), Pending { approval, asked_ms, outside, answer: None, decision });
        Listed { id, approvals: self.clone() }
    }

    /// Those that wait and can be answered.
    pub(crate) fn list(&self) -> Vec<Approval> {
        let waiting = self.lock();
        let open = waiting.pending.values().filter(|pending| pending.answer.is_some());
        let mut list: Vec<_> = open.map(|pending| pending.approval.clone()).collect();
        list.sort_by_key(|approval| approval.expires_ms);
        list
    }

    /// The way to whoever asked, if `fits` agrees that this is what was asked. There is one.
    pub(crate) fn take(
        &self,
        id: &ApprovalId,
        fits: impl FnOnce(&Approval) -> Result<(), RpcError>,
    ) -> Result<Option<oneshot::Sender<Answer>>, RpcError> {
        let mut waiting = self.lock();
        let Some(found) = waiting.pending.get_mut(id) else { return Ok(None) };
        fits(&found.approval)?;
        Ok(found.answer.take())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change is complete before the lock goes.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    /// Shows the approval to those who may answer.
    fn open(&self) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        if let Some(pending) = self.approvals.lock().pending.get_mut(&self.id) {
            pending.answer = Some(answer);
        }
        answered
    }

    /// Tells what became of it.
    fn decide(&self, decision: Decision) {
        let mut waiting = self.approvals.lock();
        let Waiting { pending, over } = &mut *waiting;
        let Some(pending) = pending.get(&self.id) else { return };
        if over.len() >= limits::ASKED_APPROVALS {
            over.pop_front();
        }
        over.push_back(pending.outcome(Some(decision)));
        pending.decision.send_replace(Some(decision));
    }
}

impl Pending {
    fn outcome(&self, decision: Option<Decision>) -> Outcome {
        let Approval { id, expires_ms, .. } = &self.approval;
        Outcome { id: id.clone(), asked_ms: self.asked_ms, expires_ms: *expires_ms, decision }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let pending = self.approvals.lock().pending.remove(&self.id);
        // Those who were told of the question are told that it is none any more.
        if pending.is_some_and(|pending| pending.outside && pending.decision.borrow().is_none()) {
            self.approvals.tell(ApprovalEvent::Decided { id: self.id.clone(), decision: Decision::Expired, by: None });
        }
    }
}

/// Waits for the one answer; none where nobody may answer any more.
async fn answer(answered: &mut oneshot::Receiver<Answer>, clock: &dyn Clock, expires_ms: u64) -> Option<Answer> {
    // Receiving takes an answer only where it wins; the time that passed is lost by nobody.
    tokio::select! {
        biased;
        Ok(answer) = &mut *answered => Some(answer),
        () = expiry(clock, expires_ms) => answered.try_recv().ok(),
    }
}

async fn expiry(clock: &dyn Clock, expires_ms: u64) {
    loop {
        let left = expires_ms.saturating_sub(clock.now_ms());
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

/// A record of what nobody did: answers are recorded where they come in.
pub(crate) fn entry(action: &'static str, decision: audit::Decision, approval: &Approval) -> Entry {
    let entry = Entry::new(What::Approval, action, decision).who(format_args!("agent {}", approval.session.agent()));
    entry.object(&approval.tool).sha256(&approval.digest).reason(format_args!("approval {}", approval.id))
}
