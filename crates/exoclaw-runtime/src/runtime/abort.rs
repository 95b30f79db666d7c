//! Stopping runs.

use std::sync::Arc;

use exoclaw_protocol::{AbortReason, ChatAbortParams, ChatAbortResult, RpcError, RunId};
use tokio::sync::{oneshot, watch};

use super::{Inner, Runtime};
use crate::{journal::read_refusal, live::LiveRun, run, session::shutting_down, sessions::Lease};

impl Runtime {
    /// Answers `chat.abort`, once the end of each run is durable. Runs that have ended already are left alone, so that
    /// stopping twice is the same as stopping once.
    ///
    /// # Errors
    /// `invalid_params` when the run is of another session; when the session names an unknown agent, the run is not here
    /// and can't be looked up, or the daemon is stopping.
    pub async fn abort(&self, params: ChatAbortParams) -> Result<ChatAbortResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let lease = self.inner.sessions.lease(&session);
        let run_id = params.run_id.as_ref();
        let stopped = self.inner.stop_runs(&lease, run_id, AbortReason::Asked).await?;
        if let (Some(run_id), true) = (run_id, stopped.is_empty()) {
            let found = self.inner.store.find_run(run_id).await.map_err(|error| read_refusal(&error))?;
            if found.is_some_and(|found| found.session != session) {
                let text = format!("the run {run_id} is not of the session {session}: name the session that it is of");
                return Err(RpcError::invalid_params(text));
            }
        }
        Ok(ChatAbortResult { aborted: !stopped.is_empty(), run_ids: stopped })
    }
}

impl Inner {
    /// Stops the runs of a session, or one of them; names those that ended because of it, once that is durable.
    pub(crate) async fn stop_runs(
        self: &Arc<Self>,
        lease: &Lease,
        run_id: Option<&RunId>,
        reason: AbortReason,
    ) -> Result<Vec<RunId>, RpcError> {
        let withdrawn = LiveRun::withdraw(lease, run_id);
        if run_id.is_none()
            && let Some(summarizing) = &lease.session().lock().summarizing
        {
            summarizing.now(reason);
        }
        let current = stop_current(lease, run_id, reason);
        let mut run_ids = Vec::new();
        if !withdrawn.is_empty() {
            let (done, all_ended) = oneshot::channel();
            let inner = self.clone();
            // Spawned, so that a client that goes away leaves no run half stopped.
            let work = async move {
                let mut run_ids = Vec::new();
                for live in withdrawn {
                    let run_id = live.run_id.clone();
                    if run::abort(&inner, live, reason).await {
                        run_ids.push(run_id);
                    }
                }
                // A client that left needs no answer.
                done.send(run_ids).ok();
            };
            self.tasks.spawn("abort", work).map_err(|_| shutting_down())?;
            run_ids = all_ended.await.map_err(|_| shutting_down())?;
        }
        if let Some((run_id, mut aborted)) = current
            && aborted.wait_for(|aborted| *aborted).await.is_ok()
        {
            run_ids.insert(0, run_id);
        }
        Ok(run_ids)
    }
}

fn stop_current(lease: &Lease, run_id: Option<&RunId>, reason: AbortReason) -> Option<(RunId, watch::Receiver<bool>)> {
    let state = lease.session().lock();
    let current = state.current.as_ref()?;
    if run_id.is_some_and(|id| *id != current.run_id) {
        return None;
    }
    current.stop.now(reason);
    Some((current.run_id.clone(), current.aborted.clone()))
}
