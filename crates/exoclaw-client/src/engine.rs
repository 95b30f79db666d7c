//! The rules of a connection, without I/O and without a clock.
//!
//! The owner of the socket tells the engine what happened ([`Engine::opened`], [`Engine::text`], [`Engine::gone`],
//! [`Engine::request`], [`Engine::tick`] and more), then does what [`Engine::poll`] says. Time is a parameter: the time since
//! some fixed moment.

mod backoff;
mod watch;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use exoclaw_protocol::{
    ChatSendParams, ChatSendResult, ErrorCode, Method, PingParams, RpcError, Secret, SessionSubscribeParams,
    SessionSubscribeResult,
    rpc::{self, FromServer, Id, Response},
};
use serde_json::value::RawValue;

use self::{backoff::Backoff, watch::Watches};
use crate::{CloseReason, Options, Push, RequestError, State};

/// How the daemon learns who we are.
#[derive(Debug, Clone)]
pub enum Greeting {
    /// The transport showed a credential when it connected.
    Done,
    /// The first message is the token.
    Token(Secret),
    /// The transport can't know whether the daemon knows us: the first request finds out.
    Probe,
}

/// Why a socket is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The credential was refused.
    pub unauthorized: bool,
    /// What happened, for people.
    pub why: String,
}

impl Gone {
    /// A connection that could not be made, or broke.
    pub fn broken(why: impl Into<String>) -> Self {
        Self { unauthorized: false, why: why.into() }
    }
}

/// One request, as the handle made it.
#[derive(Debug)]
pub struct Asked<R> {
    /// Its id, unique in this client.
    pub id: u64,
    /// Its method.
    pub method: &'static str,
    /// Its whole text.
    pub text: String,
    /// Sending it twice does the same as sending it once.
    pub repeatable: bool,
    /// Where its outcome goes.
    pub reply: R,
}

/// What the owner of the socket has to do.
#[derive(Debug)]
pub enum Output<R> {
    /// Connect.
    Connect,
    /// Send a text.
    Send(String),
    /// Let the socket go.
    Disconnect,
    /// Hand an outcome to whoever asked.
    Reply(R, Result<Box<RawValue>, RequestError>),
    /// Tell all listeners.
    Push(Push),
    /// Keep what a session looks like, for listeners that come later. Those that are there have seen as much.
    Keep(Arc<SessionSubscribeResult>),
}

#[derive(Debug)]
enum Link {
    /// Being made, until then.
    Connecting { until: Duration },
    /// Made; the daemon has yet to take our credential.
    Greeting { until: Duration },
    /// Open.
    Open(Open),
    /// Made again, then.
    Waiting { until: Duration },
    /// Over.
    Closed(CloseReason),
}

/// An open connection.
#[derive(Debug, Clone, Copy)]
struct Open {
    since: Duration,
    /// When something was heard last; `since`, where nothing was.
    heard: Duration,
    /// The daemon has answered something.
    proven: bool,
    /// When the daemon was asked whether it is still there; `None` once it was heard again.
    probed: Option<Duration>,
}

#[derive(Debug)]
struct Pending<R> {
    asked: Asked<R>,
    sent: bool,
    until: Duration,
}

/// The rules of a connection. `R` is where the outcome of a request goes.
#[derive(Debug)]
pub struct Engine<R> {
    options: Options,
    link: Link,
    backoff: Backoff,
    /// Requests without an outcome, oldest first. Bounded by whoever calls `request`.
    pending: BTreeMap<u64, Pending<R>>,
    watches: Watches,
    /// What `poll` will say next. Emptied by the owner after each input.
    outputs: VecDeque<Output<R>>,
}

impl<R> Engine<R> {
    /// A client that begins to connect at `now`. The seed is for the chance in its pauses.
    pub fn new(options: Options, seed: u64, now: Duration) -> Self {
        let backoff = Backoff::new(options.backoff_first, options.backoff_max, seed);
        let mut engine = Self {
            link: Link::Closed(CloseReason::Requested),
            backoff,
            pending: BTreeMap::new(),
            watches: Watches::default(),
            outputs: VecDeque::new(),
            options,
        };
        engine.connect(now);
        engine
    }

    /// What to do next; `None` when there is nothing until the next input or [`Engine::deadline`].
    pub fn poll(&mut self) -> Option<Output<R>> {
        self.outputs.pop_front()
    }

    /// When [`Engine::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Duration> {
        let link = match self.link {
            Link::Connecting { until } | Link::Greeting { until } | Link::Waiting { until } => Some(until),
            Link::Open(Open { probed: Some(at), .. }) => Some(at + self.options.ping_timeout),
            Link::Open(Open { heard, .. }) => Some(heard + self.options.idle),
            Link::Closed(_) => None,
        };
        let request = self.pending.values().map(|pending| pending.until).min();
        link.into_iter().chain(request).min()
    }

    /// The socket is open.
    pub fn opened(&mut self, now: Duration, greeting: &Greeting) {
        let Link::Connecting { until } = self.link else { return };
        self.link = Link::Greeting { until };
        match greeting {
            Greeting::Done => self.open(now, false),
            Greeting::Token(token) => {
                let text = serde_json::json!({ "token": token.expose() }).to_string();
                self.outputs.push_back(Output::Send(text));
            }
            Greeting::Probe => self.send_own(PROBE, &PingParams {}),
        }
    }

    /// The socket could not be opened, or is gone.
    pub fn gone(&mut self, now: Duration, gone: Gone) {
        if matches!(self.link, Link::Closed(_) | Link::Waiting { .. }) {
            return;
        }
        if gone.unauthorized {
            return self.close(CloseReason::Unauthorized);
        }
        if !self.options.reconnect {
            return self.close(CloseReason::Failed(gone.why));
        }
        self.disconnected();
        if let Link::Open(open) = self.link
            && (open.proven || now.saturating_sub(open.since) >= self.options.backoff_max)
        {
            // A daemon that takes connections and drops them at once is no success.
            self.backoff.reset();
        }
        let retry_in = self.backoff.next();
        self.link = Link::Waiting { until: now + retry_in };
        self.say(State::Waiting { retry_in, why: gone.why });
    }

    /// Requests that were sent and may not be sent twice have failed; the others wait for the next connection.
    fn disconnected(&mut self) {
        let lost: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.sent && !p.asked.repeatable).map(|(id, _)| *id).collect();
        for id in lost {
            self.settle(id, Err(RequestError::Disconnected));
        }
        for pending in self.pending.values_mut() {
            pending.sent = false;
        }
    }

    /// The endpoint is another one: what there is of a connection ends, and one is made to it at once. A client that was
    /// refused begins anew; one that was closed stays closed.
    pub fn reconfigured(&mut self, now: Duration) {
        match self.link {
            Link::Closed(CloseReason::Requested) => return,
            Link::Closed(CloseReason::Unauthorized | CloseReason::Failed(_)) => {}
            Link::Connecting { .. } | Link::Greeting { .. } | Link::Open(_) | Link::Waiting { .. } => {
                self.outputs.push_back(Output::Disconnect);
                self.disconnected();
            }
        }
        self.backoff.reset();
        self.connect(now);
    }

    /// Something makes it likely that the connection changed: the machine woke, or is on a network again. A pause ends, and
    /// an open connection is asked whether it still is one.
    pub fn check(&mut self, now: Duration) {
        match &self.link {
            Link::Waiting { .. } => self.connect(now),
            Link::Open(Open { probed: None, .. }) => self.probe(now),
            Link::Open(_) | Link::Connecting { .. } | Link::Greeting { .. } | Link::Closed(_) => {}
        }
    }

    /// Why nothing is asked any more.
    pub fn closed(&self) -> Option<&CloseReason> {
        match &self.link {
            Link::Closed(reason) => Some(reason),
            Link::Connecting { .. } | Link::Greeting { .. } | Link::Open(_) | Link::Waiting { .. } => None,
        }
    }

    /// Something asks. Before the connection is open, requests wait for it.
    pub fn request(&mut self, now: Duration, asked: Asked<R>) {
        if let Link::Closed(reason) = &self.link {
            self.outputs.push_back(Output::Reply(asked.reply, Err(RequestError::Closed(reason.clone()))));
            return;
        }
        let sent = matches!(self.link, Link::Open(_));
        if sent {
            self.outputs.push_back(Output::Send(asked.text.clone()));
        }
        self.pending.insert(asked.id, Pending { asked, sent, until: now + self.options.request_timeout });
    }

    /// A text came.
    pub fn text(&mut self, now: Duration, text: &str) {
        match &mut self.link {
            Link::Greeting { .. } => return self.greeted(now, text),
            Link::Open(open) => {
                open.heard = now;
                open.proven = true;
                open.probed = None;
            }
            Link::Connecting { .. } | Link::Waiting { .. } | Link::Closed(_) => return,
        }
        match rpc::parse_from_server(text) {
            Ok(FromServer::Event(event)) => {
                let outputs = &mut self.outputs;
                self.watches.event(*event, |push| outputs.push_back(Output::Push(push)));
            }
            Ok(FromServer::Response(response)) => self.response(&response),
            Ok(FromServer::Unsubscribed(params)) => {
                let outputs = &mut self.outputs;
                self.watches.lost(params.session, |push| outputs.push_back(Output::Push(push)));
            }
            Ok(FromServer::Unknown) => {}
            Err(error) => {
                self.outputs.push_back(Output::Disconnect);
                self.gone(now, Gone::broken(format!("the daemon sent what can't be read: {error}")));
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        let late: Vec<u64> = self.pending.iter().filter(|(_, p)| p.until <= now).map(|(id, _)| *id).collect();
        for id in late {
            self.settle(id, Err(RequestError::Timeout(self.options.request_timeout)));
        }
        match self.link {
            Link::Waiting { until } if until <= now => self.connect(now),
            Link::Connecting { until } | Link::Greeting { until } if until <= now => {
                self.outputs.push_back(Output::Disconnect);
                let why = format!("no connection within {:?}", self.options.connect_timeout);
                self.gone(now, Gone::broken(why));
            }
            Link::Open(Open { heard, probed: None, .. }) if heard + self.options.idle <= now => self.probe(now),
            Link::Open(Open { probed: Some(at), .. }) if at + self.options.ping_timeout <= now => {
                self.outputs.push_back(Output::Disconnect);
                self.gone(now, Gone::broken("the daemon does not answer"));
            }
            Link::Waiting { .. }
            | Link::Connecting { .. }
            | Link::Greeting { .. }
            | Link::Open(_)
            | Link::Closed(_) => {}
        }
    }

    /// Ends it; every request without an outcome gets one. What was asked to close stays closed.
    pub fn close(&mut self, reason: CloseReason) {
        if self.closed().is_some_and(|before| *before == CloseReason::Requested || *before == reason) {
            return;
        }
        self.outputs.push_back(Output::Disconnect);
        self.link = Link::Closed(reason.clone());
        for (_, pending) in std::mem::take(&mut self.pending) {
            let outcome = Err(RequestError::Closed(reason.clone()));
            self.outputs.push_back(Output::Reply(pending.asked.reply, outcome));
        }
        self.say(State::Closed { reason });
    }

    fn connect(&mut self, now: Duration) {
        self.link = Link::Connecting { until: now + self.options.connect_timeout };
        self.say(State::Connecting);
        self.outputs.push_back(Output::Connect);
    }

    /// Asks the daemon whether it is still there.
    fn probe(&mut self, now: Duration) {
        if let Link::Open(open) = &mut self.link {
            open.probed = Some(now);
            self.send_own(PROBE, &PingParams {});
        }
    }

    /// The first text after the greeting: the daemon knows us, or not.
    fn greeted(&mut self, now: Duration, text: &str) {
        #[derive(serde::Deserialize)]
        struct Welcome {
            ok: bool,
        }
        if serde_json::from_str::<Welcome>(text).is_ok_and(|welcome| welcome.ok) {
            return self.open(now, true);
        }
        match rpc::parse_from_server(text) {
            Ok(FromServer::Response(response)) => match response.outcome() {
                Ok(_) => self.open(now, true),
                Err(error) if error.code == ErrorCode::Unauthorized => self.close(CloseReason::Unauthorized),
                Err(error) => {
                    self.outputs.push_back(Output::Disconnect);
                    self.gone(now, Gone::broken(error.message));
                }
            },
            _ => {
                self.outputs.push_back(Output::Disconnect);
                self.gone(now, Gone::broken("the daemon's greeting can't be read"));
            }
        }
    }

    fn open(&mut self, now: Duration, proven: bool) {
        self.link = Link::Open(Open { since: now, heard: now, proven, probed: None });
        self.say(State::Open);
        for (id, params) in self.watches.resume() {
            self.send_own(id, &params);
        }
        for pending in self.pending.values_mut() {
            pending.sent = true;
            self.outputs.push_back(Output::Send(pending.asked.text.clone()));
        }
    }

    fn response(&mut self, response: &Response) {
        let id = match &response.id {
            Id::Number(number) => number.as_u64(),
            Id::Null | Id::Text(_) => None,
        };
        let Some(id) = id else { return };
        let outcome = response.outcome();
        if let Some(session) = self.watches.resumed(id) {
            let outputs = &mut self.outputs;
            let outcome = outcome.and_then(read::<SessionSubscribeResult>);
            return self.watches.resume_outcome(session, outcome, |push| outputs.push_back(Output::Push(push)));
        }
        // What was sent or subscribed is watched, before the asker hears of it and before its first event.
        if let (Ok(raw), Some(pending)) = (&outcome, self.pending.get(&id)) {
            let method = pending.asked.method;
            if method == ChatSendParams::NAME
                && let Ok(sent) = read::<ChatSendResult>(raw)
            {
                self.watches.sent(sent.session, sent.epoch, sent.seq);
            } else if method == SessionSubscribeParams::NAME
                && let Ok(result) = read::<SessionSubscribeResult>(raw)
            {
                let outputs = &mut self.outputs;
                let keep = self.watches.asked(result, |push| outputs.push_back(Output::Push(push)));
                self.outputs.extend(keep.map(Output::Keep));
            }
        }
        let outcome = outcome.map(ToOwned::to_owned).map_err(RequestError::Rpc);
        self.settle(id, outcome);
    }

    fn settle(&mut self, id: u64, outcome: Result<Box<RawValue>, RequestError>) {
        if let Some(pending) = self.pending.remove(&id) {
            self.outputs.push_back(Output::Reply(pending.asked.reply, outcome));
        }
    }

    /// Sends a request of the engine's own.
    fn send_own<M: Method>(&mut self, id: u64, params: &M) {
        // Neither `ping` nor `session.subscribe` has parameters that JSON can't hold.
        if let Ok(text) = rpc::request(id, params) {
            self.outputs.push_back(Output::Send(text));
        }
    }

    fn say(&mut self, state: State) {
        self.outputs.push_back(Output::Push(Push::State(state)));
    }
}

/// Ids of the engine's own requests: the probe is 0, those that resume sessions are odd, those of handles are even and
/// greater than 0.
const PROBE: u64 = 0;

fn read<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Result<T, RpcError> {
    serde_json::from_str(raw.get())
        .map_err(|error| RpcError::new(ErrorCode::Internal, format!("the result can't be read: {error}")))
}

#[cfg(test)]
mod tests;
