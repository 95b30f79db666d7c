//! From the end of a run to its answer on the platform: at least once, in order within a session.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use exoclaw_protocol::{Block, ErrorCode, RunId, SessionKey};
use exoclaw_sandbox::{ChannelError, Outbound, limits::CHANNEL_TEXT_BYTES};
use exoclaw_store::{
    Delivery, Page, ReadError, Record, RunOutcome,
    audit::{Decision, Entry, What},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{Channel, intake::call_id, recall::recall};
use crate::{clock::after, journal::Chain, runtime::Inner};

/// Sessions of a channel whose answers are looked at together. Of more, those that were first go first.
const SESSIONS: u32 = 256;

/// Answers of a channel that are on their way at the same time.
const AT_ONCE: usize = 4;

/// Times that this process tries to deliver an answer.
const ATTEMPTS: u32 = 20;

/// Time before the second attempt; each further one waits twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The longest that a platform may ask to wait.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// Time after which a store that could not be read is asked again.
const UNREAD: Duration = Duration::from_secs(5);

/// Records that are read at once to find what was said.
const PAGE: Page = Page { entries: 64, bytes: 4 * 1024 * 1024 };

/// An answer that was tried and is tried again.
struct Waiting {
    run_id: RunId,
    attempts: u32,
    /// It was told, or never will be; only that is not on record yet.
    settled: Option<Settled>,
    at: Instant,
}

/// How a delivery ended: why it never will succeed, if so.
type Settled = Option<String>;

/// What came of one attempt.
struct Attempt {
    delivery: Delivery,
    end: End,
}

enum End {
    /// On record.
    Recorded,
    /// To be recorded later.
    Unrecorded(Settled),
    /// To be tried again.
    Later { after: Option<Duration>, reason: String },
}

/// Delivers the answers of a channel until the daemon stops.
pub(crate) async fn deliver(inner: Arc<Inner>, channel: Arc<Channel>) {
    let stop = inner.tasks.token();
    recall(&inner, &channel).await;
    // One for each session that waits: at most `SESSIONS`.
    let mut waiting: HashMap<SessionKey, Waiting> = HashMap::new();
    let mut busy = HashSet::new();
    // At most `AT_ONCE`.
    let mut under_way: FuturesUnordered<BoxFuture<'static, Attempt>> = FuturesUnordered::new();
    loop {
        let (due, mut next) = match inner.store.deliveries(channel.name(), SESSIONS).await {
            Ok(due) => (due, None),
            Err(error) => {
                tracing::debug!(channel = channel.name(), error = %Chain(&error), "deliveries can't be read at present");
                (Vec::new(), Some(Instant::now() + UNREAD))
            }
        };
        if next.is_none() {
            let is_due = |session: &SessionKey, run_id: &RunId| {
                due.iter().any(|delivery| delivery.session == *session && delivery.run_id == *run_id)
            };
            waiting.retain(|session, waiting| is_due(session, &waiting.run_id));
        }
        let now = Instant::now();
        for delivery in due {
            if busy.contains(&delivery.session) {
                continue;
            }
            let tried = waiting.get(&delivery.session);
            if let Some(at) = tried.map(|tried| tried.at).filter(|at| *at > now) {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
                continue;
            }
            if under_way.len() == AT_ONCE {
                break;
            }
            let settled = tried.and_then(|tried| tried.settled.clone());
            let last = tried.is_some_and(|tried| tried.attempts + 1 >= ATTEMPTS);
            busy.insert(delivery.session.clone());
            under_way.push(attempt(inner.clone(), channel.clone(), delivery, settled, last).boxed());
        }
        let pause = next.map(|at| at.saturating_duration_since(Instant::now()));
        // Whatever is dropped here was only waited for; an attempt that the end cuts short is made again by the next process.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(Attempt { delivery, end }) = under_way.next() => {
                busy.remove(&delivery.session);
                note(&mut waiting, delivery, end);
            }
            () = channel.wake.notified() => {}
            () = after(pause) => {}
        }
    }
}

/// Remembers what is to be done again, and when.
fn note(waiting: &mut HashMap<SessionKey, Waiting>, delivery: Delivery, end: End) {
    let Delivery { session, run_id, .. } = delivery;
    let (after, settled) = match end {
        End::Recorded => return drop(waiting.remove(&session)),
        End::Unrecorded(settled) => (None, Some(settled)),
        End::Later { after, .. } => (after, None),
    };
    let attempts = waiting.get(&session).filter(|tried| tried.run_id == run_id).map_or(0, |tried| tried.attempts) + 1;
    let own = FIRST.saturating_mul(2_u32.saturating_pow(attempts - 1)).min(LONGEST);
    let after = after.map_or(own, |asked| asked.min(LONGEST_ASKED).max(FIRST));
    waiting.insert(session, Waiting { run_id, attempts, settled, at: Instant::now() + after });
}

/// Tries once to deliver an answer, and puts on record what came of it. `last`: there will be no other attempt.
async fn attempt(
    inner: Arc<Inner>,
    channel: Arc<Channel>,
    delivery: Delivery,
    settled: Option<Settled>,
    last: bool,
) -> Attempt {
    let end = match settled {
        Some(settled) => Ok(settled),
        None => tell(&inner, &channel, &delivery).await,
    };
    let end = match end {
        Ok(settled) => settle(&inner, &channel, &delivery, settled).await,
        Err(End::Later { reason, .. }) if last => {
            settle(&inner, &channel, &delivery, Some(format!("given up after {ATTEMPTS} attempts: {reason}"))).await
        }
        Err(end) => end,
    };
    if let End::Later { reason, .. } = &end {
        tracing::info!(channel = channel.name(), run = %delivery.run_id, reason, "answer is delivered later");
        channel.note(|seen| seen.error = Some(reason.clone()));
    }
    Attempt { delivery, end }
}

/// Has the channel tell the answer.
async fn tell(inner: &Inner, channel: &Channel, delivery: &Delivery) -> Result<Settled, End> {
    let later = |reason: String| End::Later { after: None, reason };
    // What is told and can't be recorded would be told again.
    if let Some(reason) = inner.store.read_only() {
        return Err(later(reason));
    }
    let text = match said(inner, delivery).await {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(error) => return Err(later(Chain(&error).to_string())),
    };
    let Some(Ok(ready)) = inner.plugins.find(channel.config.plugin.as_str()) else {
        return Err(later("the channel's plugin can't be called".to_owned()));
    };
    let message = Outbound { to: delivery.to.clone(), text, idempotency_key: delivery.run_id.to_string() };
    let host = channel.host(&inner.audit);
    let (sent, _) = ready.plugin.send(&ready.permit, call_id(inner), message, host).await;
    match sent {
        Ok(_) => {
            channel.note(|seen| {
                seen.last_out_ms = Some(inner.clock.now_ms());
                seen.error = None;
            });
            Ok(None)
        }
        Err(ChannelError::Permanent(reason)) => Ok(Some(reason)),
        Err(ChannelError::Later { after, reason }) => Err(End::Later { after, reason }),
        Err(ChannelError::Call(error)) => {
            channel.stopped(&inner.audit, "send", &error);
            Err(later(error.to_string()))
        }
        Err(error) => Err(later(error.to_string())),
    }
}

/// Puts the end of a delivery on record.
async fn settle(inner: &Inner, channel: &Channel, delivery: &Delivery, settled: Settled) -> End {
    let Delivery { session, run_id, .. } = delivery;
    if settled.is_some() {
        channel.note(|seen| seen.error.clone_from(&settled));
    }
    // A session that was deleted meanwhile does not come back for this.
    if matches!(inner.store.find_run(run_id).await, Ok(None)) {
        return End::Recorded;
    }
    let record = Record::Delivered { run_id: run_id.clone(), failure: settled.clone() };
    if let Err(error) = inner.store.append(session, inner.clock.now_ms(), vec![record]).await {
        tracing::warn!(channel = channel.name(), run = %run_id, error = %Chain(&error), "a delivery can't be recorded");
        return End::Unrecorded(settled);
    }
    if let Some(reason) = settled {
        tracing::warn!(channel = channel.name(), run = %run_id, reason, "answer was not delivered");
        let entry =
            Entry::new(What::Channel, "deliver", Decision::Failed).who(format_args!("channel {}", channel.name()));
        inner.audit.note(entry.object(run_id).reason(&reason));
    }
    End::Recorded
}

/// What the run said at its end; nothing if it said nothing.
async fn said(inner: &Inner, delivery: &Delivery) -> Result<Option<String>, ReadError> {
    let Delivery { session, run_id, ended_seq, .. } = delivery;
    let mut before = ended_seq.saturating_add(1);
    loop {
        let entries = inner.store.tail(session, Some(before), PAGE).await?;
        let Some(first) = entries.first() else { return Ok(None) };
        before = first.seq;
        for entry in entries.into_iter().rev() {
            match entry.record {
                Record::RunEnded { run_id: of, outcome: RunOutcome::Failed { code, .. } } if of == *run_id => {
                    return Ok(Some(apology(code)));
                }
                Record::Step { run_id: of, content, .. } if of == *run_id => return Ok(text(&content)),
                Record::Accepted { run_id: of, .. } if of == *run_id => return Ok(None),
                _ => {}
            }
        }
    }
}

fn text(content: &[Block]) -> Option<String> {
    let texts = content.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let mut text: String = texts.collect();
    if text.len() > CHANNEL_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(CHANNEL_TEXT_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    (!text.trim().is_empty()).then_some(text)
}

/// A person on another platform learns that there is no answer; the operator's log says why.
fn apology(code: ErrorCode) -> String {
    format!("I can't answer that at present ({}).", code.as_str())
}
