//! One WebSocket: a client's requests in, answers and events out.

mod approvals;
mod frames;
mod outbox;
mod requests;
mod tokens;
mod watches;

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use exoclaw_protocol::{
    ErrorCode, RpcError, Secret, limits,
    rpc::{self, Id, Incoming, Response},
};
use exoclaw_runtime::{Lagged, metrics::Credential};
use exoclaw_store::audit::{Decision, Entry, What};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError, protocol::frame::coding::CloseCode};

use self::{
    frames::Frames,
    outbox::Outbox,
    requests::{Caller, Done, Follow},
    watches::Watches,
};
use crate::{
    admission::Place,
    auth::Pass,
    http::Door,
    limiter::TooMany,
    meter::{Meter, Rate},
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

/// The code and the reason with which we close.
type Goodbye = (CloseCode, &'static str);

const STOPPING: Goodbye = (CloseCode::Restart, "the daemon is stopping");
const PLACE_NEEDED: Goodbye = (CloseCode::Again, "too many connections without a credential");
const NO_CREDENTIAL: Goodbye = (CloseCode::Policy, "no credential was shown in time");
const REVOKED: Goodbye = (CloseCode::Policy, "the credential was revoked");
const EXPIRED: Goodbye = (CloseCode::Policy, "the credential has expired");
const TOO_MANY: Goodbye = (CloseCode::Again, "too many wrong credentials");
const UNAUTHORIZED: Goodbye = (CloseCode::Policy, "unauthorized");
const SLOW_CONSUMER: Goodbye = (CloseCode::Policy, "slow consumer");
const SILENT: Goodbye = (CloseCode::Policy, "no answer to a ping");
const BINARY: Goodbye = (CloseCode::Unsupported, "only text is spoken here");
const TOO_LARGE: Goodbye = (CloseCode::Size, "the message is too large");
const NOT_UTF8: Goodbye = (CloseCode::Invalid, "the text is not UTF-8");
const NO_WEBSOCKET: Goodbye = (CloseCode::Protocol, "against the WebSocket protocol");
const FAREWELL: Goodbye = (CloseCode::Normal, "");

const SHOW_FIRST: &str = "show a credential first: {\"token\":\"…\"}, an Authorization header or a login";

/// What one connection may ask for: a thousand small requests at once, and 500 in each second.
const REQUESTS: Rate = Rate { burst: 4_000, every: Duration::from_micros(500) };

/// Serves one upgraded connection until one side ends it. `early` holds what came with the upgrade request.
pub(crate) async fn run(stream: Wire, early: Bytes, visitor: Visitor) {
    let peer = visitor.peer;
    let mut frames = Frames::new(stream, early);
    if visitor.pass.is_some() {
        frames.trust();
    }
    let mut socket = Socket::new(visitor);
    tracing::debug!(%peer, "socket opened");
    let goodbye = socket.serve(&mut frames).await;
    // What the client asked for goes on without it; its events it may catch up with.
    let Socket { outbox, visitor, .. } = socket;
    tracing::debug!(%peer, code = goodbye.map(|(code, _)| u16::from(code)), "socket ended");
    if let Some((code, reason)) = goodbye {
        frames.close(outbox, code, reason).await;
    }
    drop(visitor);
}

struct Socket {
    visitor: Visitor,
    outbox: Outbox,
    /// Texts being answered, at most [`limits::REQUESTS_IN_FLIGHT`]: further ones are left to the network.
    requests: FuturesUnordered<BoxFuture<'static, Done>>,
    watches: Watches,
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

impl Socket {
    fn new(visitor: Visitor) -> Self {
        let now = Instant::now();
        Self {
            visitor,
            outbox: Outbox::default(),
            requests: FuturesUnordered::new(),
            watches: Watches::default(),
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
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            let room = self.outbox.has_room();
            let reads = room && self.requests.len() < limits::REQUESTS_IN_FLIGHT;
            // Every branch can be dropped half way: tokens and timers keep nothing; requests and watches stay in their
            // sets and are polled again in the next round; frames keep partial reads and writes in their own buffers.
            // The work that follows is done after the wait, without waiting again.
            let goodbye = tokio::select! {
                () = stop.cancelled() => Some(self.stopping()),
                () = place.evicted() => Some(self.ended(What::Limit, PLACE_NEEDED)),
                () = revoked(self.visitor.pass.as_ref()) => Some(self.revoked()),
                Some(done) = self.requests.next(), if room => self.done(done).err().map(|lagged| self.slow(lagged)),
                arrival = self.watches.next(), if room => {
                    let written = self.watches.arrived(arrival, &mut self.outbox);
                    written.err().map(|lagged| self.slow(lagged))
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
            self.watches.follow(subscription, exact, &mut self.outbox);
        }
        done.sends.map_or(Ok(()), |number| self.watches.sent(number, &mut self.outbox))
    }

    fn received(&mut self, message: Message, frames: &mut Frames<Wire>) -> Option<Goodbye> {
        self.heard = Instant::now();
        self.pinged = None;
        match message {
            Message::Text(text) => {
                let first = !std::mem::replace(&mut self.greeted, true);
                match &self.visitor.pass {
                    Some(pass) if !(first && token_of(&text).is_some()) => {
                        let pass = pass.clone();
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

    /// The first text of a client that showed no credential before, or shows one more.
    fn greet(&mut self, text: &str, frames: &mut Frames<Wire>) -> Option<Goodbye> {
        let token = token_of(text);
        let peer = self.visitor.peer;
        let check = |token: &Secret| self.visitor.door.auth().token(token.expose(), peer.source());
        let checked = token.as_ref().map(check);
        if let Some(checked) = &checked {
            self.visitor.door.runtime.metrics().credential(match checked {
                Ok(Some(_)) => Credential::Allowed,
                Ok(None) => Credential::Refused,
                Err(_) => Credential::Limited,
            });
        }
        let (error, goodbye) = match checked {
            Some(Ok(Some(pass))) => {
                self.note(self.entry(What::Authentication, "first message", Decision::Allowed).who(&pass.who));
                self.visitor.pass = Some(pass);
                self.visitor.place.known();
                frames.trust();
                self.outbox.text(r#"{"ok":true}"#.to_owned());
                return None;
            }
            Some(Ok(None)) => (RpcError::new(ErrorCode::Unauthorized, "the token is not the gateway's"), UNAUTHORIZED),
            Some(Err(TooMany { retry_after })) => (requests::too_many("too many wrong tokens", retry_after), TOO_MANY),
            None => (RpcError::new(ErrorCode::Unauthorized, SHOW_FIRST), UNAUTHORIZED),
        };
        self.note(self.entry(What::Authentication, "first message", Decision::Refused).reason(&error.message));
        let id = match rpc::parse(text.as_bytes()) {
            Incoming::One(Ok(request)) => request.id.unwrap_or(Id::Null),
            Incoming::One(Err(_)) | Incoming::Batch(_) => Id::Null,
        };
        self.outbox.text(requests::written(&Response::error(id, &error)));
        Some(goodbye)
    }

    fn request(&mut self, pass: Pass, text: &str) {
        let incoming = rpc::parse(text.as_bytes());
        let sends = requests::sends(&incoming).then(|| self.watches.sending());
        let door = Arc::clone(&self.visitor.door);
        if let Err(retry_after) = self.meter.take(requests::cost(&incoming), REQUESTS, Instant::now()) {
            let entry = self.entry(What::Limit, "request", Decision::Refused).who(&pass.who);
            self.note(entry.reason("too many requests of one connection"));
            let refused = requests::too_many("this connection asks for too much in too short a time", retry_after);
            self.requests.push(Box::pin(requests::refuse(refused, incoming, sends)));
            return;
        }
        let caller = Caller { pass, peer: self.visitor.peer };
        self.requests.push(Box::pin(requests::answer(door, caller, incoming, sends)));
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
            if let Err(lagged) = self.watches.arrived(arrival, &mut self.outbox) {
                return self.slow(lagged);
            }
            // The rest can be read after the restart.
            if !self.outbox.has_room() {
                break;
            }
        }
        STOPPING
    }

    /// Records why we end the connection.
    fn ended(&self, what: What, goodbye: Goodbye) -> Goodbye {
        let entry = self.entry(what, "connection", Decision::Stopped).reason(goodbye.1);
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
        match error {
            Error::Capacity(_) => Some(self.ended(What::Limit, TOO_LARGE)),
            Error::Utf8(_) => Some(NOT_UTF8),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
            Error::Protocol(_) => Some(NO_WEBSOCKET),
            _ => None,
        }
    }

    fn deadline(&self) -> Instant {
        let Some(pass) = &self.visitor.pass else { return self.opened + limits::HANDSHAKE_DEADLINE };
        let sign_of_life = match self.pinged {
            Some((at, _)) => at + limits::PONG_DEADLINE,
            None => self.heard + limits::PING_INTERVAL,
        };
        pass.until.map_or(sign_of_life, |until| until.min(sign_of_life))
    }

    fn time_passed(&mut self, frames: &Frames<Wire>) -> Option<Goodbye> {
        let now = Instant::now();
        if self.deadline() > now {
            return None;
        }
        let Some(pass) = &self.visitor.pass else { return Some(self.ended(What::Authentication, NO_CREDENTIAL)) };
        if pass.until.is_some_and(|until| until <= now) {
            return Some(self.ended(What::Authentication, EXPIRED));
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
        Some(pass) => pass.revoked.cancelled().await,
        None => std::future::pending().await,
    }
}

/// The token of a first message, if it is one.
fn token_of(text: &str) -> Option<Secret> {
    #[derive(serde::Deserialize)]
    struct First {
        token: String,
    }
    serde_json::from_str::<First>(text).ok().map(|first| Secret::new(first.token))
}
