//! A client that gives up nothing: it sends each message under its key until its run has ended.

use std::collections::BTreeMap;

use exoclaw_protocol::{ChatAbortParams, ChatSendParams, ErrorCode, RunId, SendStatus};
use exoclaw_runtime::{Runtime, Subscription};

use exoclaw_tests::random::Random;

use super::{End, model};
use crate::support::{PATIENCE, message, name};

/// The messages of one session, in order.
pub(super) struct Client {
    pub(super) session: String,
    messages: Vec<Planned>,
    next: usize,
    /// The run of each message that was acknowledged.
    pub(super) acknowledged: BTreeMap<String, RunId>,
}

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
        Self { session: format!("s{number}"), messages, next: 0, acknowledged: BTreeMap::new() }
    }

    /// Goes on where it was, until all messages are answered or the process can do no more.
    pub(super) async fn go_on(&mut self, runtime: &Runtime) -> End {
        while let Some(Planned { text, aborted }) = self.messages.get(self.next) {
            let key = format!("key-{}", self.next).parse().unwrap();
            let params = ChatSendParams { idempotency_key: Some(key), ..message(&self.session, text) };
            let (sent, mut events) = match runtime.send_and_subscribe(params).await {
                Ok(sent) => sent,
                Err(error) if error.code == ErrorCode::Internal || error.code.is_retryable() => return End::Stuck,
                Err(error) => panic!("{error:?}"),
            };
            let known = self.acknowledged.entry(text.clone()).or_insert_with(|| sent.run_id.clone());
            assert_eq!(*known, sent.run_id, "one key, two runs");
            if matches!(sent.status, SendStatus::Started | SendStatus::InFlight) {
                if *aborted {
                    let params = ChatAbortParams { session: name(&self.session), run_id: Some(sent.run_id.clone()) };
                    runtime.abort(params).await.unwrap();
                }
                end(&mut events, &sent.run_id).await;
                // Whether that is an end for good, the answer to the same message says.
                continue;
            }
            self.next += 1;
        }
        End::AllAnswered
    }
}

/// Waits for what a client takes for the end of a run.
async fn end(events: &mut Subscription, run_id: &RunId) {
    let ended = async {
        loop {
            let (_, before) = events.position();
            let event = events.next().await.unwrap().event().clone();
            assert_eq!(event.follows(), before, "a gap");
            if event.run_id == *run_id && event.event.is_terminal() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the run ends");
}
