//! One run, as those hear it who want no more than its words.

use exoclaw_protocol::{
    Block, ChatHistoryParams, ErrorCode, Event, Role, RpcError, RunId, SessionKey, StopReason, Usage,
};
use exoclaw_runtime::{Runtime, Subscription};
use tokio_util::sync::CancellationToken;

use crate::auth::Pass;

/// What stands between the words of two steps of a run.
const BETWEEN: &str = "\n\n";

/// What is heard of a run.
#[derive(Debug)]
pub(super) enum Said {
    /// The answer grew.
    Text(String),
    /// It ended.
    Ended(Ended),
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) usage: Usage,
    pub(super) how: Result<StopReason, RpcError>,
}

/// Hears one run to its end.
#[derive(Debug)]
pub(super) struct Listening {
    run_id: RunId,
    subscription: Subscription,
    /// The daemon stops.
    stop: CancellationToken,
    pass: Pass,
    /// Something was said, and the step ended that said it.
    step_ended: bool,
    said: bool,
}

impl Listening {
    pub(super) fn new(runtime: &Runtime, run_id: RunId, subscription: Subscription, pass: Pass) -> Self {
        let stop = runtime.tasks().token();
        Self { run_id, subscription, stop, pass, step_ended: false, said: false }
    }

    /// The next thing that is said. After [`Said::Ended`] there is nothing.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            // A stopping daemon has ended its runs: what they said is there.
            let event = tokio::select! {
                biased;
                () = self.pass.revoked() => {
                    return failed(ErrorCode::Unauthorized, "the token was revoked");
                }
                event = self.subscription.next() => event,
                () = self.stop.cancelled() => {
                    return failed(ErrorCode::ShuttingDown, "the daemon stops: the answer goes on in its session");
                }
            };
            let Ok(event) = event else {
                return failed(ErrorCode::SlowConsumer, "the answer was read too slowly");
            };
            if event.event().run_id != self.run_id {
                continue;
            }
            match &event.event().event {
                Event::Delta { text } => {
                    let mut text = text.clone();
                    if std::mem::take(&mut self.step_ended) && self.said {
                        text.insert_str(0, BETWEEN);
                    }
                    self.said = true;
                    return Said::Text(text);
                }
                Event::Usage { .. } => self.step_ended = true,
                Event::Final { stop_reason, usage, .. } => {
                    return Said::Ended(Ended { usage: *usage, how: Ok(*stop_reason) });
                }
                // Another run answers the question.
                Event::Joined { into } => self.run_id = into.clone(),
                Event::Aborted { .. } => return failed(ErrorCode::Interrupted, "the run was stopped"),
                Event::Error { code, message, .. } => return failed(*code, message),
                _ => {}
            }
        }
    }

    /// All that is said, and the end.
    pub(super) async fn whole(mut self) -> (String, Ended) {
        let mut text = String::new();
        loop {
            match self.next().await {
                Said::Text(more) => text.push_str(&more),
                Said::Ended(ended) => return (text, ended),
            }
        }
    }
}

fn failed(code: ErrorCode, message: &str) -> Said {
    Said::Ended(Ended { usage: Usage::default(), how: Err(RpcError::new(code, message)) })
}

/// What a run said that has ended before.
pub(super) async fn said_before(runtime: &Runtime, session: SessionKey, run_id: &RunId) -> Result<String, RpcError> {
    let history = runtime.history(ChatHistoryParams::new(session.into())).await?;
    let of_run = history.messages.iter().filter(|message| message.run_id == *run_id && message.role == Role::Assistant);
    let texts = of_run.map(|message| message.content.iter().filter_map(Block::as_text).collect::<String>());
    Ok(texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(BETWEEN))
}
