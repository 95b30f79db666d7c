//! How a connection speaks: a socket moves texts and knows credentials, a dialect knows what the texts mean.

use std::{borrow::Cow, future::Future, sync::Arc};

use exoclaw_protocol::{RpcError, Secret, SessionKey};
use exoclaw_runtime::{Published, Subscription};
use exoclaw_store::audit::{Decision, Entry, What};
use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    changes::{Changed, Following},
    outbox::Outbox,
};
use crate::{auth::Pass, http::Door, limiter::TooMany, wire::Peer};

/// The code and the reason with which a connection is closed.
pub(crate) type Goodbye = (CloseCode, Cow<'static, str>);

/// What one connection says and hears.
pub(crate) trait Dialect: Send + 'static {
    /// A text of a client that is known.
    type Asked: Asked;

    /// What happens outside of sessions, as far as it is told.
    type News: Send;

    /// What the audit calls the text that shows a credential.
    const GREETING: &'static str;

    /// Said when no credential was shown in time.
    const UNSHOWN: Goodbye;

    /// Said when the daemon stops.
    const STOPPING: Goodbye;

    /// What is said before anything is heard.
    fn open(&mut self) -> Option<String>;

    /// Whether the text is to be greeted; otherwise it is answered. `known` says whether a credential was shown before, and
    /// `first` whether it is the first text.
    fn is_greeting(&self, text: &str, known: bool, first: bool) -> bool;

    /// Lets somebody in, or not.
    fn greet(&mut self, text: &str, desk: &Desk<'_>) -> Greeted;

    /// What a known client asks; none where nothing is answered.
    fn read(&mut self, text: &str) -> Option<Self::Asked>;

    /// Tells an event.
    fn event(&mut self, event: &Published, outbox: &mut Outbox);

    /// Tells of a change of any session.
    fn changed(&mut self, changed: Changed, outbox: &mut Outbox);

    /// Tells that the events of a session are told no more.
    fn dropped(&mut self, session: &SessionKey, outbox: &mut Outbox);

    /// Tells that the daemon stops.
    fn stopping(&mut self, outbox: &mut Outbox);

    /// Waits for news that are no session's; for ever where it tells none. It can be dropped half way.
    fn news(&mut self) -> impl Future<Output = Self::News> + Send;

    /// Tells them.
    fn tell(&mut self, news: Self::News, outbox: &mut Outbox);

    /// When it has something to say of itself.
    fn wakes(&self) -> Option<Instant>;

    /// Says it.
    fn wake(&mut self, now: Instant, outbox: &mut Outbox);
}

/// What one text asks.
pub(crate) trait Asked: Send + 'static {
    /// It may send messages: events of the runs that it starts wait for the answer.
    fn sends(&self) -> bool;

    /// What it costs of its connection's rate.
    fn cost(&self) -> u32;

    /// Answers it.
    fn answer(self, door: Arc<Door>, caller: Caller) -> impl Future<Output = Done> + Send;

    /// Answers all that it asks with the same refusal.
    fn refuse(self, error: RpcError) -> Done;
}

/// What became of a text that was to show a credential.
pub(crate) enum Greeted {
    /// Its sender is known, and hears this.
    In(Pass, BoxFuture<'static, Done>),
    /// It is not, hears this, and the connection ends.
    Out {
        /// The answer, where there is one.
        text: Option<String>,
        /// For the audit.
        reason: String,
        /// How it ends.
        goodbye: Goodbye,
    },
}

/// What is done when a text was answered, in this order.
#[derive(Default)]
pub(crate) struct Done {
    /// Number of the text among those that send messages, if it is one.
    pub(crate) sends: Option<u64>,
    /// The text that goes back; none where only notifications came.
    pub(crate) text: Option<String>,
    /// Events to be followed from now on.
    pub(crate) follow: Vec<Follow>,
    /// Whether changes of all sessions are.
    pub(crate) changes: Following,
}

/// A session that is to be followed.
#[derive(Debug)]
pub(crate) struct Follow {
    pub(crate) subscription: Subscription,
    /// The client named the place itself: it counts even where the session is followed already.
    pub(crate) exact: bool,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) pass: Pass,
    pub(crate) peer: Peer,
}

impl Caller {
    /// An entry of the audit about what they do.
    pub(crate) fn entry(&self, what: What, action: &'static str, decision: Decision) -> Entry {
        Entry::new(what, action, decision).who(&self.pass.who).from(self.peer.audited())
    }
}

/// Where credentials are looked at.
pub(crate) struct Desk<'a> {
    pub(crate) door: &'a Arc<Door>,
    pub(crate) peer: Peer,
    /// What the upgrade showed.
    pub(crate) pass: Option<&'a Pass>,
}

impl Desk<'_> {
    /// Checks a token, and counts what became of it.
    pub(crate) fn token(&self, token: &Secret) -> Result<Option<Pass>, TooMany> {
        self.door.token(token.expose(), self.peer)
    }
}
