//! Messages that come all at once, each in its own way: they wait, are collected, interrupt and steer, under keys that are
//! repeated, with aborts and times for their runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use exoclaw_protocol::{
    ChatAbortParams, ChatSendParams, ErrorCode, QueueMode, RpcError, RunId, RunWaitParams, SendStatus,
    SessionSubscribeParams,
};
use exoclaw_runtime::{Runtime, Subscription};
use exoclaw_store::{Entry, MemoryStore, Page, Record, RunOutcome, Store};
use exoclaw_tests::random::Random;
use futures::FutureExt;

use super::{End, model};
use crate::support::{message, name, settle};

/// Messages of one session.
const MESSAGES: u64 = 6;

/// Time for runs that are given one: shorter than what hangs, longer than anything else.
const TIMEOUT_MS: u64 = 5_000;

/// The messages of one session, in the order in which they are sent.
pub(super) struct Crowd {
    session: String,
    messages: Vec<Planned>,
    /// Runs that were named in answers to each message.
    named: BTreeMap<String, BTreeSet<RunId>>,
}

struct Planned {
    text: String,
    queue: QueueMode,
    timeout_ms: Option<u64>,
    then: Then,
    done: bool,
}

/// What follows the first answer to a message.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Nothing,
    Settle,
    Repeat,
    Abort,
    AbortAll,
}

fn is_stuck(error: &RpcError) -> bool {
    error.code == ErrorCode::Internal || error.code.is_retryable()
}

impl Crowd {
    pub(super) fn new(number: u64, chance: &mut Random) -> Self {
        let mut planned = |number| {
            use QueueMode::{Collect, Interrupt, Queue, Steer};
            let queue = [Queue, Queue, Collect, Collect, Steer, Steer, Interrupt][chance.below(7) as usize];
            let text = model::message(number, false, chance);
            let hangs = queue != Steer && chance.below(4) == 0;
            // What hangs has a time: a run that takes it up while it is under way might have none.
            let text = if hangs { text.replace(": ", ": h") } else { text };
            let timeout_ms = hangs.then_some(TIMEOUT_MS);
            let then =
                [Then::Nothing, Then::Nothing, Then::Settle, Then::Settle, Then::Repeat, Then::Abort, Then::AbortAll];
            Planned { text, queue, timeout_ms, then: then[chance.below(7) as usize], done: false }
        };
        let messages = (0..MESSAGES).map(&mut planned).collect();
        Self { session: format!("c{number}"), messages, named: BTreeMap::new() }
    }

    /// Sends what is not answered for good, and goes on until all is.
    pub(super) async fn go_on(&mut self, runtime: &Runtime) -> End {
        let watch = SessionSubscribeParams { session: name(&self.session), epoch: None, seq: None };
        let Ok((_, mut watched)) = runtime.subscribe(watch).await else { return End::Stuck };
        let end = match self.send_all(runtime).await {
            Ok(()) => End::AllAnswered,
            Err(error) if is_stuck(&error) => End::Stuck,
            Err(error) => panic!("{error:?}"),
        };
        nothing_follows_an_end(&mut watched);
        end
    }

    async fn send_all(&mut self, runtime: &Runtime) -> Result<(), RpcError> {
        let mut waiting = Vec::new();
        for place in 0..self.messages.len() {
            if self.messages[place].done {
                continue;
            }
            let run_id = self.send(runtime, place).await?;
            let abort =
                async |run_id| runtime.abort(ChatAbortParams { session: name(&self.session), run_id }).await.map(drop);
            match self.messages[place].then {
                Then::Nothing => {}
                Then::Settle => settle().await,
                Then::Repeat => drop(self.send(runtime, place).await?),
                Then::Abort => abort(Some(run_id.clone())).await?,
                Then::AbortAll => abort(None).await?,
            }
            waiting.push((place, run_id));
        }
        for (place, run_id) in waiting {
            let params = RunWaitParams { run_id, timeout_ms: Some(600_000) };
            runtime.wait(params).await?;
            // Whether that is an end for good, or one that only another process can write, the answer to the same message says.
            self.send(runtime, place).await?;
            assert!(self.messages[place].done, "a run does not end");
        }
        Ok(())
    }

    async fn send(&mut self, runtime: &Runtime, place: usize) -> Result<RunId, RpcError> {
        let planned = &mut self.messages[place];
        let params = ChatSendParams {
            idempotency_key: Some(format!("key-{place}").parse().unwrap()),
            queue: Some(planned.queue),
            timeout_ms: planned.timeout_ms,
            ..message(&self.session, &planned.text)
        };
        let sent = runtime.send(params).await?;
        planned.done = !matches!(sent.status, SendStatus::Started | SendStatus::InFlight);
        self.named.entry(planned.text.clone()).or_default().insert(sent.run_id.clone());
        Ok(sent.run_id)
    }

    /// What must be true of the journal when all messages are answered. A run that can't be read is left to the next process, and
    /// others are begun before it: only where nothing was `unread` is there an order among them.
    pub(super) fn check(&self, store: &MemoryStore, unread: bool) {
        let key = format!("agent:main:{}", self.session).parse().unwrap();
        let all = Page { entries: 10_000, bytes: u64::MAX };
        let entries = store.read(&key, 0, all).now_or_never().expect("memory does not wait").unwrap();
        let runs = Runs::of(&entries);
        let texts: Vec<&str> = self.messages.iter().map(|planned| planned.text.as_str()).collect();
        let accepted: Vec<&str> = runs.accepted.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(accepted, texts, "not each message once, in the order in which it was sent");
        for (text, run_id) in &runs.accepted {
            let joined = runs.joined.get(run_id).map(|(into, _)| into);
            let strange = self.named[text].iter().find(|named| *named != run_id && Some(*named) != joined);
            assert_eq!(strange, None, "an answer names a run that does not answer {text:?}");
        }
        let order: Vec<_> =
            runs.accepted.iter().filter(|(_, run)| runs.started.contains(run)).map(|(_, run)| run).collect();
        let begun: Vec<_> = runs.started.iter().collect();
        assert!(unread || begun == order, "runs are not begun in the order of their messages: {begun:?}, {order:?}");
    }
}

/// Each run ends once, and nothing comes after that.
fn nothing_follows_an_end(watched: &mut Subscription) {
    let mut ended = HashSet::new();
    while let Some(Ok(event)) = watched.next().now_or_never() {
        let event = event.event();
        assert!(!ended.contains(&event.run_id), "after the end of its run: {event:?}");
        if event.event.is_terminal() {
            ended.insert(event.run_id.clone());
        }
    }
}

/// What a journal says of its runs.
#[derive(Default)]
struct Runs {
    accepted: Vec<(String, RunId)>,
    started: Vec<RunId>,
    /// The run that answers another's message, and the step that was told of it first.
    joined: HashMap<RunId, (RunId, Option<u32>)>,
}

impl Runs {
    fn of(entries: &[Entry]) -> Self {
        let mut runs = Self::default();
        let (mut ended, mut steps) = (HashSet::new(), HashMap::<RunId, u32>::new());
        for Entry { record, .. } in entries {
            let Some(run_id) = record.run_id().cloned() else { continue };
            assert!(!ended.contains(&run_id), "a record after the end of its run: {record:?}");
            match record {
                Record::Accepted { message, .. } => runs.accepted.push((message.text(), run_id)),
                Record::RunStarted { .. } => {
                    assert!(!runs.started.contains(&run_id), "a run is begun twice");
                    runs.started.push(run_id);
                }
                Record::Step { step, .. } => {
                    assert_eq!(*step, *steps.entry(run_id.clone()).or_default(), "a step is missing or there twice");
                    *steps.entry(run_id).or_default() += 1;
                }
                Record::RunEnded { outcome, .. } => {
                    if let RunOutcome::Joined { into, step } = outcome {
                        assert!(!steps.contains_key(&run_id), "a message is answered by two runs");
                        assert!(!ended.contains(into), "a message is answered by a run that has ended");
                        let told = steps.get(into).copied().unwrap_or(0);
                        assert_eq!(step.unwrap_or(0), told, "a message is told at another step than is said");
                        runs.joined.insert(run_id.clone(), (into.clone(), *step));
                    }
                    ended.insert(run_id);
                }
                _ => {}
            }
        }
        assert_eq!(ended.len(), runs.accepted.len(), "a run has no end");
        let chained = runs.joined.values().find(|(into, _)| runs.joined.contains_key(into));
        assert!(chained.is_none(), "a run that others joined joins another: {chained:?}");
        runs
    }
}
