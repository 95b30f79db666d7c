//! Stopping runs.

use exoclaw_protocol::{ChatAbortParams, ChatAbortResult, RpcError, RunId};
use tokio::sync::{oneshot, watch};

use super::Runtime;
use crate::{live::LiveRun, run, session::shutting_down, sessions::Lease};

impl Runtime {
    /// Answers `chat.abort`, once the end of each run is durable. Runs that have ended already are left alone, so that
    /// stopping twice is the same as stopping once.
    ///
    /// # Errors
    /// When the session names an unknown agent, or the daemon is stopping.
    pub async fn abort(&self, params: ChatAbortParams) -> Result<ChatAbortResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let lease = self.inner.sessions.lease(&session);
        let withdrawn = LiveRun::withdraw(&lease, params.run_id.as_ref());
        let current = stop_current(&lease, params.run_id.as_ref());

        let (done, all_ended) = oneshot::channel();
        let inner = self.inner.clone();
        // Spawned, so that a client that goes away leaves no run half stopped.
        let work = async move {
            let mut run_ids = Vec::new();
            for live in withdrawn {
                let run_id = live.run_id.clone();
                if run::abort(&inner, live).await {
                    run_ids.push(run_id);
                }
            }
            // A client that left needs no answer.
            done.send(run_ids).ok();
        };
        self.inner.tasks.spawn("abort", work).map_err(|_| shutting_down())?;
        let mut run_ids = all_ended.await.map_err(|_| shutting_down())?;
        if let Some((run_id, mut aborted)) = current
            && aborted.wait_for(|aborted| *aborted).await.is_ok()
        {
            run_ids.insert(0, run_id);
        }
        Ok(ChatAbortResult { aborted: !run_ids.is_empty(), run_ids })
    }
}

fn stop_current(lease: &Lease, run_id: Option<&RunId>) -> Option<(RunId, watch::Receiver<bool>)> {
    let state = lease.session().lock();
    let current = state.current.as_ref()?;
    if run_id.is_some_and(|id| *id != current.run_id) {
        return None;
    }
    current.abort.cancel();
    Some((current.run_id.clone(), current.aborted.clone()))
}
