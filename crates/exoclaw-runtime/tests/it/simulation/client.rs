//! A client that gives up nothing: it sends each message under its key until its run has ended.

use std::collections::BTreeMap;

use exoclaw_protocol::{
    ApprovalResolveParams, ChatAbortParams, ChatSendParams, ErrorCode, Event, RunId, SendStatus, Verdict,
};
use exoclaw_runtime::{Runtime, Subscription};

use exoclaw_tests::random::Random;

use super::{End, model};
use crate::support::{PATIENCE, message, name};

/// The messages of one session, in order.
pub(super) struct Client {
    pub(super) session: String,
    messages: Vec<Planned>,
    next: usize,
    /// Calls that it was asked to allow.
    asked: u32,
    /// The run of each message that was acknowledged.
    pub(super) acknowledged: BTreeMap<String, RunId>,
}

#[derive(Clone)]
struct Planned {
    text: String,
    /// It is stopped as soon as it is acknowledged.
    aborted: bool,
}

impl Client {
    pub(super) fn new(number: u64, with_tools: bool, chance: &mut Random) -> Self {
        let planned =
            |number| Planned { text: model::message(number, with_tools, chance), aborted: chance.below(8) == 0 };
        let messages = (0..3).map(planned).collect();
        Self { session: format!("s{number}"), messages, next: 0, asked: 0, acknowledged: BTreeMap::new() }
    }

    /// Waits for what a client takes for the end of a run. Calls that wait are allowed, and each fourth denied.
    async fn end(&mut self, runtime: &Runtime, events: &mut Subscription, run_id: &RunId) {
        loop {
            let (_, before) = events.position();
            let next = tokio::time::timeout(PATIENCE, events.next()).await.expect("the run goes on");
            let event = next.unwrap().event().clone();
            assert_eq!(event.follows(), before, "a gap");
            match &event.event {
                Event::ApprovalRequested { approval } => {
                    self.asked += 1;
                    let verdict = if self.asked.is_multiple_of(4) { Verdict::Deny } else { Verdict::Allow };
                    let answered = runtime.resolve_approval(None, ApprovalResolveParams::new(approval, verdict)).await;
                    // A store that takes nothing more: the next process asks again.
                    if answered.is_err_and(|error| error.code.is_retryable()) {
                        return;
                    }
                }
                end if event.run_id == *run_id && end.is_terminal() => return,
                _ => {}
            }
        }
    }

    /// Goes on where it was, until all messages are answered or the process can do no more.
    pub(super) async fn go_on(&mut self, runtime: &Runtime) -> End {
        while let Some(Planned { text, aborted }) = self.messages.get(self.next).cloned() {
            let key = format!("key-{}", self.next).parse().unwrap();
            let params = ChatSendParams { idempotency_key: Some(key), ..message(&self.session, &text) };
            let (sent, mut events) = match runtime.send_and_subscribe(params).await {
                Ok(sent) => sent,
                Err(error) if error.code == ErrorCode::Internal || error.code.is_retryable() => return End::Stuck,
                Err(error) => panic!("{error:?}"),
            };
            let known = self.acknowledged.entry(text.clone()).or_insert_with(|| sent.run_id.clone());
            assert_eq!(*known, sent.run_id, "one key, two runs");
            if matches!(sent.status, SendStatus::Started | SendStatus::InFlight) {
                if aborted {
                    let params = ChatAbortParams { session: name(&self.session), run_id: Some(sent.run_id.clone()) };
                    if runtime.abort(params).await.is_err() {
                        return End::Stuck;
                    }
                }
                self.end(runtime, &mut events, &sent.run_id).await;
                // Whether that is an end for good, the answer to the same message says.
                continue;
            }
            self.next += 1;
        }
        End::AllAnswered
    }
}
