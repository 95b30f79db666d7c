//! From a sent message to its place in the queue.

use std::{panic::AssertUnwindSafe, sync::Arc};

use exoclaw_protocol::{
    AbortReason, ChatSendParams, ChatSendResult, ErrorCode, IdempotencyKey, Message, QueueMode, RpcError, RunOptions,
    SendFailure, SendPolicy, SendStatus, SessionKey, Target, TokenName,
};
use exoclaw_store::{AppendError, Record, RunOutcome};
use futures::FutureExt;
use tokio::sync::oneshot;

use super::{Inner, Runtime};
use crate::{
    clock::new_run_id,
    hub::Subscription,
    journal::{append_refusal, message_digest, read_refusal},
    session::{Answer, Intake, Sent, shutting_down},
    sessions::Lease,
    spending::Purse,
    tasks::panic_text,
};

impl Runtime {
    /// Answers `chat.send`, once the message is durable.
    ///
    /// # Errors
    /// When the message or its target is not valid, its key was used for another message, too much is waiting, the store
    /// takes no writes, a budget has no room, or the daemon is stopping.
    pub async fn send(&self, params: ChatSendParams) -> Result<ChatSendResult, RpcError> {
        self.send_and_subscribe(params).await.map(|(result, _)| result)
    }

    /// As [`send`](Self::send), with a subscription whose first event is the first of the run.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_and_subscribe(&self, params: ChatSendParams) -> Result<(ChatSendResult, Subscription), RpcError> {
        self.send_by(None, params).await
    }

    /// As [`send_and_subscribe`](Self::send_and_subscribe), for a credential: what answering costs counts against its
    /// budgets too.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_by(
        &self,
        by: Option<TokenName>,
        params: ChatSendParams,
    ) -> Result<(ChatSendResult, Subscription), RpcError> {
        self.send_from(by, None, params).await
    }

    /// The same, for a channel: `to` is what it needs to deliver the answer.
    pub(crate) async fn send_from(
        &self,
        by: Option<TokenName>,
        to: Option<String>,
        params: ChatSendParams,
    ) -> Result<(ChatSendResult, Subscription), RpcError> {
        let inner = &self.inner;
        let (queue, timeout_ms) = (params.queue, params.timeout_ms);
        let (target, message, key) = params.into_parts()?;
        let session = inner.session_of(&target)?;
        let from = match target {
            Target::Session(_) => None,
            Target::Origin(origin) => Some(origin),
        };
        self.ready()?;
        let lease = inner.sessions.lease(&session);
        if inner.is_stop_word(&message) {
            return inner.stop_by_word(lease).await;
        }
        let digest = message_digest(&message);
        let (reply, answer) = oneshot::channel();
        lease.session().know(&*inner.store).await.map_err(|error| read_refusal(&error))?;
        let policy = lease.session().lock().settings.send;
        if policy == SendPolicy::Deny {
            return inner.when_refused(lease, key, &digest, denied(&session)).await;
        }
        if let Err(refusal) = inner.check_budget(&session, by.as_ref(), &message).await {
            return inner.when_refused(lease, key, &digest, refusal).await;
        }
        let Some(place) = inner.load.take() else {
            return inner.when_refused(lease, key, &digest, full()).await;
        };
        let run_id = new_run_id(&*inner.clock);
        let (own_key, own_digest) = (key.clone(), digest.clone());
        let sent =
            Sent { run_id, message, key: own_key, digest: own_digest, by, from, to, queue, timeout_ms, place, reply };
        let queued = {
            let mut state = lease.session().lock();
            let has_room = state.has_room();
            if has_room {
                state.intake.push_back(Intake::Message(Box::new(sent)));
            }
            // Whoever sets the flag starts the task.
            has_room.then(|| !std::mem::replace(&mut state.accepting, true))
        };
        match queued {
            None => return inner.when_refused(lease, key, &digest, full()).await,
            Some(false) => {}
            // Spawned, so that a sender who goes away leaves no message half accepted.
            Some(true) => inner.accept(&lease)?,
        }
        let answer = answer.await.map_err(|_| RpcError::new(ErrorCode::Internal, "the message was not accepted"))??;
        Ok(told(lease, answer))
    }
}

fn told(lease: Lease, answer: Answer) -> (ChatSendResult, Subscription) {
    let Answer { run_id, status, failure, epoch, seq } = answer;
    let session = lease.session().key().clone();
    let result = ChatSendResult { run_id, session, status, failure, stopped: Vec::new(), epoch, seq };
    (result, Subscription::new(lease, epoch, seq))
}

/// Makes a session's messages durable one after the other, so that runs follow in the order of the journal; changes of the
/// session come between them.
async fn accept_all(inner: &Arc<Inner>, lease: &Lease) {
    loop {
        let intake = {
            let mut state = lease.session().lock();
            let intake = state.intake.pop_front();
            state.accepting = intake.is_some();
            intake
        };
        let Some(intake) = intake else { return };
        let work = match intake {
            Intake::Message(sent) => accept(inner, lease, *sent).boxed(),
            Intake::Change(change) => change,
        };
        // A sender whose message met a panic is told so by its dropped reply.
        if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
            tracing::error!(panic = panic_text(&*panic), "accepting a message panicked");
        }
    }
}

async fn accept(inner: &Arc<Inner>, lease: &Lease, mut sent: Sent) {
    // The sender may have left; the message stays.
    let reply = std::mem::replace(&mut sent.reply, oneshot::channel().0);
    reply.send(append(inner, lease, sent).await).ok();
}

async fn append(inner: &Arc<Inner>, lease: &Lease, sent: Sent) -> Result<Answer, RpcError> {
    if inner.closing.is_cancelled() {
        return Err(shutting_down());
    }
    let session = lease.session();
    session.know(&*inner.store).await.map_err(|error| read_refusal(&error))?;
    let queue = sent.queue.unwrap_or_else(|| session.lock().settings.queue);
    let options = RunOptions { queue, timeout_ms: sent.timeout_ms };
    let record = Record::Accepted {
        run_id: sent.run_id.clone(),
        message: sent.message.clone(),
        key: sent.key.clone(),
        digest: sent.digest.clone(),
        by: sent.by.clone(),
        origin: sent.from.clone(),
        to: sent.to.clone(),
        options,
    };
    match inner.store.append(session.key(), inner.clock.now_ms(), vec![record]).await {
        Ok(appended) => {
            let answer = {
                let mut state = session.lock();
                if let (QueueMode::Interrupt, Some(current)) = (queue, &state.current) {
                    current.stop.now(AbortReason::Interrupt);
                }
                session.accept(&mut state, sent, options, appended.last)
            };
            inner.work(lease);
            Ok(answer)
        }
        Err(AppendError::DuplicateKey(key)) => {
            let earlier = inner.earlier(lease, &key, &sent.digest).await?;
            earlier.ok_or_else(|| conflict(&key, session.key()))
        }
        Err(error) => Err(append_refusal(&error)),
    }
}

impl Inner {
    /// Starts whoever empties the session's intake; only whoever set the flag may do so.
    pub(super) fn accept(self: &Arc<Self>, lease: &Lease) -> Result<(), RpcError> {
        let (inner, lease) = (self.clone(), lease.clone());
        let work = async move { accept_all(&inner, &lease).await };
        self.tasks.spawn("accept", work).map_err(|_| shutting_down())
    }

    /// The session that is meant, or that the router picks.
    pub(super) fn session_of(&self, target: &Target) -> Result<SessionKey, RpcError> {
        match target {
            Target::Session(session) => self.resolve(session),
            Target::Origin(origin) => {
                let route = self.router.route(origin);
                Ok(route.map_err(|error| RpcError::invalid_params(error.to_string()))?.session)
            }
        }
    }

    /// A message is refused whose answer no budget has room for.
    async fn check_budget(
        &self,
        session: &SessionKey,
        by: Option<&TokenName>,
        message: &Message,
    ) -> Result<(), RpcError> {
        let Some(agent) = self.agent(session.agent()) else { return Ok(()) };
        let purse = Purse::open(&self.ledger, &self.audit, &*self.store, session, &agent.config, by).await;
        purse.map_err(|error| read_refusal(&error))?.check(message, self.clock.now_ms())
    }

    /// A message that was accepted before is answered also where a new one is refused.
    async fn when_refused(
        &self,
        lease: Lease,
        key: Option<IdempotencyKey>,
        digest: &str,
        refusal: RpcError,
    ) -> Result<(ChatSendResult, Subscription), RpcError> {
        if let Some(key) = key
            && let Some(answer) = self.earlier(&lease, &key, digest).await?
        {
            return Ok(told(lease, answer));
        }
        Err(refusal)
    }

    /// What became of the message that was accepted under a key.
    async fn earlier(&self, lease: &Lease, key: &IdempotencyKey, digest: &str) -> Result<Option<Answer>, RpcError> {
        let session = lease.session();
        let found = self.store.find_key(session.key(), key).await.map_err(|error| read_refusal(&error))?;
        let Some(mut found) = found else { return Ok(None) };
        if found.digest != digest {
            return Err(conflict(key, session.key()));
        }
        if let Some(RunOutcome::Joined { into, .. }) = found.outcome {
            // A run that others joined joins none itself.
            let joined = self.store.find_run(&into).await.map_err(|error| read_refusal(&error))?;
            let joined = joined.ok_or_else(waits_for_a_start)?;
            (found.run_id, found.outcome) = (joined.run_id, joined.outcome);
        }
        let run_id = found.run_id.clone();
        // One look: of a run that is here, the end is an event after this place.
        let (is_here, epoch, seq) = {
            let state = session.lock();
            let seq = state.start_of(&run_id).unwrap_or(state.ring.last());
            (state.has(&run_id), state.ring.epoch(), seq)
        };
        if found.outcome.is_none() && !is_here {
            // It ended meanwhile, or this process can't go on with it.
            let again = self.store.find_run(&run_id).await.map_err(|error| read_refusal(&error))?;
            found.outcome = again.and_then(|again| again.outcome);
            if found.outcome.is_none() {
                return Err(waits_for_a_start());
            }
        }
        let failure = |code, message| (SendStatus::Error, Some(SendFailure { code, message }));
        let (status, failure) = match found.outcome {
            None => (SendStatus::InFlight, None),
            Some(RunOutcome::Ok) => (SendStatus::Ok, None),
            Some(RunOutcome::Joined { .. }) => return Err(waits_for_a_start()),
            Some(RunOutcome::Aborted { .. }) => failure(ErrorCode::Interrupted, "the run was stopped".to_owned()),
            Some(RunOutcome::Failed { code, message, .. }) => failure(code, message),
        };
        Ok(Some(Answer { run_id, status, failure, epoch, seq }))
    }
}

fn full() -> RpcError {
    RpcError::new(ErrorCode::Busy, "too many messages are waiting for an answer: send again when one is done")
}

fn denied(session: &SessionKey) -> RpcError {
    let text = format!("the session {session} takes no messages: its send policy is deny");
    RpcError::new(ErrorCode::Forbidden, text)
}

/// Its end could not be written, or what it had done not be read.
fn waits_for_a_start() -> RpcError {
    let text = "the message is kept, but its run can't go on at present: look into the log and start the daemon again";
    RpcError::new(ErrorCode::Interrupted, text)
}

fn conflict(key: &IdempotencyKey, session: &SessionKey) -> RpcError {
    let text = format!("the key {key:?} was used for another message in {session}: take a new key for a new message");
    RpcError::new(ErrorCode::Conflict, text)
}
