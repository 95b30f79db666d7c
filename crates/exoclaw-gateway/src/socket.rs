//! One WebSocket: a client's requests in, answers and events out.

pub(crate) mod approvals;
pub(crate) mod changes;
pub(crate) mod devices;
pub(crate) mod dialect;
#[cfg(feature = "test-util")]
pub(crate) mod echo;
mod frames;
pub(crate) mod jobs;
mod json_rpc;
pub(crate) mod outbox;
pub(crate) mod requests;
pub(crate) mod sessions;
mod tokens;
mod watches;

use std::{borrow::Cow, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use exoclaw_protocol::{RpcError, limits};
use exoclaw_runtime::Lagged;
use exoclaw_store::audit::{Decision, Entry, What};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError, protocol::frame::coding::CloseCode};

pub(crate) use self::json_rpc::JsonRpc;
use self::{
    changes::{Changed, Changes, Following},
    dialect::{Asked, Caller, Desk, Dialect, Done, Follow, Goodbye, Greeted},
    frames::Frames,
    outbox::Outbox,
    watches::{Told, Watches},
};
use crate::{
    admission::Place,
    auth::Pass,
    http::Door,
    meter::Meter,
    rates::too_many,
    wire::{Peer, Wire},
};

/// Who is at the other end.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) peer: Peer,
    /// What it was given for the credential that the upgrade showed, if it showed one.
    pub(crate) pass: Option<Pass>,
    pub(crate) place: Arc<Place>,
    pub(crate) door: Arc<Door>,
}

const PLACE_NEEDED: Goodbye = goodbye(CloseCode::Again, "too many connections without a credential");
const REVOKED: Goodbye = goodbye(CloseCode::Policy, "the credential was revoked");
const EXPIRED: Goodbye = goodbye(CloseCode::Policy, "the credential has expired");
const SLOW_CONSUMER: Goodbye = goodbye(CloseCode::Policy, "slow consumer");
const SILENT: Goodbye = goodbye(CloseCode::Policy, "no answer to a ping");
const BINARY: Goodbye = goodbye(CloseCode::Unsupported, "only text is spoken here");
const TOO_LARGE: Goodbye = goodbye(CloseCode::Size, "the message is too large");
const NOT_UTF8: Goodbye = goodbye(CloseCode::Invalid, "the text is not UTF-8");
const NO_WEBSOCKET: Goodbye = goodbye(CloseCode::Protocol, "against the WebSocket protocol");
const FAREWELL: Goodbye = goodbye(CloseCode::Normal, "");

const fn goodbye(code: CloseCode, reason: &'static str) -> Goodbye {
    (code, Cow::Borrowed(reason))
}

/// Serves one upgraded connection until one side ends it. `early` holds what came with the upgrade request.
pub(crate) async fn run<D: Dialect>(stream: Wire, early: Bytes, visitor: Visitor, dialect: D) {
    let peer = visitor.peer;
    let mut frames = Frames::new(stream, early);
    if visitor.pass.is_some() {
        frames.trust();
    }
    let mut socket = Socket::new(visitor, dialect);
    tracing::debug!(%peer, "socket opened");
    let goodbye = socket.serve(&mut frames).await;
    // What the client asked for goes on without it; its events it may catch up with.
    let Socket { outbox, visitor, .. } = socket;
    tracing::debug!(%peer, code = goodbye.as_ref().map(|(code, _)| u16::from(*code)), "socket ended");
    if let Some((code, reason)) = goodbye {
        frames.close(outbox, code, reason).await;
    }
    drop(visitor);
}

struct Socket<D> {
    visitor: Visitor,
    dialect: D,
    outbox: Outbox,
    /// Texts being answered, at most [`limits::REQUESTS_IN_FLIGHT`]: further ones are left to the network.
    requests: FuturesUnordered<BoxFuture<'static, Done>>,
    watches: Watches,
    /// Changes of all sessions, where the client follows them.
    changes: Option<Changes>,
    /// What was asked for lately.
    meter: Meter,
    /// No text came yet: the first one may be a token.
    greeted: bool,
    opened: Instant,
    /// When the client last sent anything.
    heard: Instant,
    /// When it was asked for a sign of life that it still owes, and how much it had been sent by then.
    pinged: Option<(Instant, u64)>,
}

impl<D: Dialect> Socket<D> {
    fn new(visitor: Visitor, dialect: D) -> Self {
        let now = Instant::now();
        Self {
            visitor,
            dialect,
            outbox: Outbox::default(),
            requests: FuturesUnordered::new(),
            watches: Watches::default(),
            changes: None,
            meter: Meter::new(now),
            greeted: false,
            opened: now,
            heard: now,
            pinged: None,
        }
    }

    /// Says how to part, if there is anyone to part from.
    async fn serve(&mut self, frames: &mut Frames<Wire>) -> Option<Goodbye> {
        let stop = self.visitor.door.runtime.tasks().token();
        let place = Arc::clone(&self.visitor.place);
        if let Some(text) = self.dialect.open() {
            self.outbox.text(text);
        }
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            let room = self.outbox.has_room();
            let reads = room && self.requests.len() < limits::REQUESTS_IN_FLIGHT;
            // Every branch can be dropped half way: tokens and timers keep nothing; requests, watches and changes stay
            // in their sets and are polled again in the next round; frames keep partial reads and writes in their own buffers.
            // The work that follows is done after the wait, without waiting again.
            let goodbye = tokio::select! {
                () = stop.cancelled() => Some(self.stopping()),
                () = place.evicted() => Some(self.ended(What::Limit, PLACE_NEEDED)),
                () = revoked(self.visitor.pass.as_ref()) => Some(self.revoked()),
                Some(done) = self.requests.next(), if room => self.done(done).err().map(|lagged| self.slow(lagged)),
                arrival = self.watches.next(), if room => {
                    let written = self.watches.arrived(arrival, &mut told(&mut self.dialect, &mut self.outbox));
                    written.err().map(|lagged| self.slow(lagged))
                }
                changed = changed(self.changes.as_mut()), if room => {
                    self.dialect.changed(changed, &mut self.outbox);
                    None
                }
                news = self.dialect.news(), if room => {
                    self.dialect.tell(news, &mut self.outbox);
                    None
                }
                network = exchange(frames, &mut self.outbox, reads) => match network {
                    Ok(Some(message)) => self.received(message, frames),
                    Ok(None) => None,
                    Err(error) => return self.parting(&error),
                },
                () = timer.as_mut() => {
                    let goodbye = self.time_passed(frames);
                    timer.as_mut().reset(self.deadline());
                    goodbye
                }
            };
            if goodbye.is_some() {
                return goodbye;
            }
        }
    }

    /// A text was answered. The answer goes first, then the events that it announces.
    fn done(&mut self, done: Done) -> Result<(), Lagged> {
        if let Some(text) = done.text {
            self.outbox.text(text);
        }
        for Follow { subscription, exact } in done.follow {
            self.watches.follow(subscription, exact, &mut told(&mut self.dialect, &mut self.outbox));
        }
        match done.changes {
            Following::Same => {}
            Following::Begun(changes) => self.changes = Some(changes),
            Following::Ended => self.changes = None,
        }
        let mut told = told(&mut self.dialect, &mut self.outbox);
        done.sends.map_or(Ok(()), |number| self.watches.sent(number, &mut told))
    }

    fn received(&mut self, message: Message, frames: &mut Frames<Wire>) -> Option<Goodbye> {
        self.heard = Instant::now();
        self.pinged = None;
        match message {
            Message::Text(text) => {
                let first = !std::mem::replace(&mut self.greeted, true);
                match self.visitor.pass.clone() {
                    Some(pass) if !self.dialect.is_greeting(&text, true, first) => {
                        self.request(pass, &text);
                        None
                    }
                    Some(_) | None => self.greet(&text, frames),
                }
            }
            Message::Binary(_) => Some(BINARY),
            Message::Close(_) => Some(FAREWELL),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    /// A text that may show a credential.
    fn greet(&mut self, text: &str, frames: &mut Frames<Wire>) -> Option<Goodbye> {
        let Visitor { peer, pass, door, .. } = &self.visitor;
        let desk = Desk { door, peer: *peer, pass: pass.as_ref() };
        match self.dialect.greet(text, &desk) {
            Greeted::In(pass, welcome) => {
                self.note(self.entry(What::Authentication, D::GREETING, Decision::Allowed).who(&pass.who));
                self.visitor.pass = Some(pass);
                self.visitor.place.known();
                frames.trust();
                self.requests.push(welcome);
                None
            }
            Greeted::Out { text, reason, goodbye } => {
                self.note(self.entry(What::Authentication, D::GREETING, Decision::Refused).reason(reason));
                text.into_iter().for_each(|text| self.outbox.text(text));
                Some(goodbye)
            }
        }
    }

    fn request(&mut self, pass: Pass, text: &str) {
        let Some(asked) = self.dialect.read(text) else { return };
        let sends = asked.sends().then(|| self.watches.sending());
        let door = Arc::clone(&self.visitor.door);
        if let Err(refused) = self.take(asked.cost(), &pass) {
            let entry = self.entry(What::Limit, "request", Decision::Refused).who(&pass.who);
            self.note(entry.reason(&refused.message));
            let done = Done { sends, ..asked.refuse(refused) };
            self.requests.push(Box::pin(async { done }));
            return;
        }
        let caller = Caller { pass, peer: self.visitor.peer };
        self.requests.push(Box::pin(async move { Done { sends, ..asked.answer(door, caller).await } }));
    }

    /// Counts a request against its connection and its credential; one that is refused costs nothing.
    fn take(&mut self, units: u32, pass: &Pass) -> Result<(), RpcError> {
        let asking = &self.visitor.door.asking;
        let rate = asking.rates.connection;
        let taken = self.meter.take(units, rate, Instant::now());
        taken.map_err(|wait| too_many("this connection asks for too much in too short a time", wait))?;
        asking.by(&pass.who, units).inspect_err(|_| self.meter.give(units, rate))
    }

    /// What was asked with the credential and is not done yet is not done any more.
    fn revoked(&mut self) -> Goodbye {
        self.requests.clear();
        self.outbox.clear();
        self.ended(What::Authentication, REVOKED)
    }

    fn slow(&mut self, lagged: Lagged) -> Goodbye {
        tracing::debug!(peer = %self.visitor.peer, oldest = lagged.oldest, "a client reads too slowly");
        self.outbox.clear();
        self.ended(What::Limit, SLOW_CONSUMER)
    }

    /// The daemon stops, its runs have ended: what they had to say is still said.
    fn stopping(&mut self) -> Goodbye {
        while let Some(Some(done)) = self.requests.next().now_or_never() {
            if let Err(lagged) = self.done(done) {
                return self.slow(lagged);
            }
        }
        while let Some(arrival) = self.watches.next().now_or_never() {
            let mut told = told(&mut self.dialect, &mut self.outbox);
            if let Err(lagged) = self.watches.arrived(arrival, &mut told) {
                return self.slow(lagged);
            }
            // The rest can be read after the restart.
            if !self.outbox.has_room() {
                break;
            }
        }
        self.dialect.stopping(&mut self.outbox);
        D::STOPPING
    }

    /// Records why we end the connection.
    fn ended(&self, what: What, goodbye: Goodbye) -> Goodbye {
        let entry = self.entry(what, "connection", Decision::Stopped).reason(&goodbye.1);
        self.note(match &self.visitor.pass {
            Some(pass) => entry.who(&pass.who),
            None => entry,
        });
        goodbye
    }

    fn entry(&self, what: What, action: &'static str, decision: Decision) -> Entry {
        Entry::new(what, action, decision).from(self.visitor.peer.audited())
    }

    fn note(&self, entry: Entry) {
        self.visitor.door.runtime.audit().note(entry);
    }

    /// What is said to a client after a failure of the connection, if it can still hear it.
    fn parting(&self, error: &Error) -> Option<Goodbye> {
        let goodbye = parting(error)?;
        Some(if matches!(error, Error::Capacity(_)) { self.ended(What::Limit, goodbye) } else { goodbye })
    }

    fn deadline(&self) -> Instant {
        let Some(pass) = &self.visitor.pass else { return self.opened + limits::HANDSHAKE_DEADLINE };
        let sign_of_life = match self.pinged {
            Some((at, _)) => at + limits::PONG_DEADLINE,
            None => self.heard + limits::PING_INTERVAL,
        };
        [pass.until, self.dialect.wakes()].into_iter().flatten().fold(sign_of_life, Instant::min)
    }

    fn time_passed(&mut self, frames: &Frames<Wire>) -> Option<Goodbye> {
        let now = Instant::now();
        if self.deadline() > now {
            return None;
        }
        let Some(pass) = &self.visitor.pass else { return Some(self.ended(What::Authentication, D::UNSHOWN)) };
        if pass.until.is_some_and(|until| until <= now) {
            return Some(self.ended(What::Authentication, EXPIRED));
        }
        if self.dialect.wakes().is_some_and(|wakes| wakes <= now) {
            self.dialect.wake(now, &mut self.outbox);
            return None;
        }
        let waits = frames.is_blocked() || !self.outbox.is_empty();
        match self.pinged {
            // It is alive and slow: its answer waits behind what it has yet to read.
            Some((_, sent)) if waits && frames.written() > sent => {}
            Some(_) => {
                self.outbox.clear();
                return Some(SILENT);
            }
            None => self.outbox.ping(),
        }
        self.pinged = Some((now, frames.written()));
        None
    }
}

/// What is said to whoever broke a rule of the protocol.
fn parting(error: &Error) -> Option<Goodbye> {
    match error {
        Error::Capacity(_) => Some(TOO_LARGE),
        Error::Utf8(_) => Some(NOT_UTF8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(NO_WEBSOCKET),
        _ => None,
    }
}

/// Writes what waits, and reads the next message if `reads`. `None` when there is room in the outbox again.
async fn exchange(frames: &mut Frames<Wire>, outbox: &mut Outbox, reads: bool) -> Result<Option<Message>, Error> {
    let had_room = outbox.has_room();
    poll_fn(|cx| {
        if let Poll::Ready(Err(error)) = frames.poll_send(cx, outbox) {
            return Poll::Ready(Err(error));
        }
        if !had_room && outbox.has_room() {
            return Poll::Ready(Ok(None));
        }
        if reads { frames.poll_receive(cx).map_ok(Some) } else { Poll::Pending }
    })
    .await
}

/// The credential was revoked; waits for ever where there is none.
async fn revoked(pass: Option<&Pass>) {
    match pass {
        Some(pass) => pass.revoked().await,
        None => std::future::pending().await,
    }
}

/// The next change of any session; waits for ever where none are followed.
async fn changed(changes: Option<&mut Changes>) -> Changed {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

fn told<'a, D>(dialect: &'a mut D, outbox: &'a mut Outbox) -> Told<'a, D> {
    Told { dialect, outbox }
}
