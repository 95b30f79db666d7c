//! The handle.

use std::{
    any::Any,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use exoclaw_protocol::{ChatSendParams, Method, Scope, limits, rpc};
use futures::{
    SinkExt,
    channel::{mpsc, oneshot},
};
use serde_json::value::RawValue;

use crate::{
    CloseReason, Endpoint, Options, Pushes, RequestError, State, States,
    driver::{self, Command},
    engine::Asked,
    push::Listeners,
    transport::{MaybeSend, Transport},
};

/// Requests of one client that may wait for an answer. When full, a request is refused with [`RequestError::Busy`].
pub const REQUESTS: usize = 256;

/// Commands on their way from handles to the driver, beside one for each request under way. When full, the asker waits.
const COMMANDS: usize = 16;

/// What handles and driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    listeners: Mutex<Listeners>,
    next_id: AtomicU64,
    /// Counts requests under way: each holds a clone.
    requests: Arc<()>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the outcome of a request goes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) outcome: oneshot::Sender<Result<Box<RawValue>, RequestError>>,
    _request: Arc<()>,
}

/// A connection to a daemon. Cheap to clone; the connection ends when [`Client::close`] is called or the last clone drops.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Client {
    /// Connects, and goes on doing so as the options say. Returns at once: requests wait for the connection.
    ///
    /// The client's one task is spawned here, on the runtime that this is called in. It ends with the client.
    #[cfg(not(target_arch = "wasm32"))]
    #[expect(
        clippy::disallowed_methods,
        reason = "the client owns this one task: it ends when the last handle is dropped"
    )]
    pub fn connect(endpoint: Endpoint, options: Options) -> Self {
        let (client, driver) = Self::with_transport(endpoint, options, crate::transport::Native::new());
        tokio::spawn(driver);
        client
    }

    /// Connects, and goes on doing so as the options say. Returns at once: requests wait for the connection.
    #[cfg(target_arch = "wasm32")]
    pub fn connect(endpoint: Endpoint, options: Options) -> Self {
        let (client, driver) = Self::with_transport(endpoint, options, crate::transport::Browser::new());
        wasm_bindgen_futures::spawn_local(driver);
        client
    }

    /// A client whose task the caller owns: nothing happens unless the future is polled. It ends with the client; dropping
    /// it closes the client.
    pub fn with_transport<T: Transport>(
        endpoint: Endpoint,
        options: Options,
        transport: T,
    ) -> (Self, impl Future<Output = ()> + MaybeSend) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let shared = Arc::new(Shared {
            listeners: Mutex::new(Listeners::new()),
            next_id: AtomicU64::new(1),
            requests: Arc::new(()),
        });
        let driver = driver::run(endpoint, options, transport, inbox, Arc::clone(&shared));
        (Self { commands, shared }, driver)
    }

    /// Asks and waits for the answer. Dropping the future forgets the answer; it does not take the request back.
    ///
    /// Whoever sends in a session with `chat.send`, or asks for `session.subscribe`, gets its events from
    /// [`Client::subscribe`] from then on, over reconnects too.
    ///
    /// # Errors
    /// When the daemon refuses, no answer comes, or there is no connection any more.
    pub async fn request<M: Method + 'static>(&self, params: M) -> Result<M::Output, RequestError> {
        let request = Arc::clone(&self.shared.requests);
        if Arc::strong_count(&request) > REQUESTS + 1 {
            return Err(RequestError::Busy);
        }
        // Even and not 0: the engine's own requests have other ids.
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed) * 2;
        let text = rpc::request(id, &params).map_err(|error| unreadable("write the parameters", &error))?;
        if text.len() > limits::MESSAGE_BYTES {
            return Err(RequestError::TooLarge { bytes: text.len() });
        }
        let (outcome, answer) = oneshot::channel();
        let reply = Reply { outcome, _request: request };
        let asked = Asked { id, method: M::NAME, text, repeatable: is_repeatable(&params), reply };
        if self.commands.clone().send(Command::Request(asked)).await.is_err() {
            return Err(RequestError::Closed(self.close_reason()));
        }
        match answer.await {
            Ok(outcome) => serde_json::from_str(outcome?.get()).map_err(|error| unreadable("read the result", &error)),
            Err(oneshot::Canceled) => Err(RequestError::Closed(self.close_reason())),
        }
    }

    /// Everything that comes without being asked for, from now on; before it, as it would have come: how the connection is,
    /// and the latest snapshot of each watched session with the events since, as far as they are kept.
    pub fn subscribe(&self) -> Pushes {
        self.shared.lock().add()
    }

    /// How the connection is.
    pub fn state(&self) -> State {
        self.shared.lock().state.clone()
    }

    /// How the connection is, and each time that it changes.
    pub fn states(&self) -> States {
        self.shared.lock().add_states()
    }

    /// Takes another endpoint, for all clones: the connection ends, and one is made to it, which is under way when this
    /// returns. Requests go the way of those whose connection broke. The endpoint that it has already changes nothing.
    ///
    /// A client that was refused begins anew; streams that ended by that stay so. A client that was closed stays closed.
    pub async fn reconfigure(&self, endpoint: Endpoint) {
        let (done, taken) = oneshot::channel();
        if self.commands.clone().send(Command::Reconfigure(endpoint, done)).await.is_ok() {
            // Nobody takes it once the client is closed.
            let _: Result<(), oneshot::Canceled> = taken.await;
        }
    }

    /// Makes sure of the connection now, as after the machine woke or came back to a network: a pause between two attempts
    /// ends, and an open connection is lost unless the daemon answers within [`Options::ping_timeout`].
    pub async fn check(&self) {
        // Nobody takes it once the client is closed.
        self.commands.clone().send(Command::Check).await.ok();
    }

    /// Ends the connection, for all clones, and waits until it has ended.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.commands.clone().send(Command::Close(done)).await.is_ok() {
            // Either the driver says so, or it is gone: both are the end.
            let _: Result<(), oneshot::Canceled> = ended.await;
        }
    }

    fn close_reason(&self) -> CloseReason {
        match self.state() {
            State::Closed { reason } => reason,
            State::Connecting | State::Open | State::Waiting { .. } => CloseReason::Requested,
        }
    }
}

fn is_repeatable<M: Method + 'static>(params: &M) -> bool {
    match (params as &dyn Any).downcast_ref::<ChatSendParams>() {
        Some(send) => send.idempotency_key.is_some(),
        None => M::SCOPE == Scope::Read,
    }
}

fn unreadable(what: &'static str, error: &serde_json::Error) -> RequestError {
    RequestError::Json { what, detail: error.to_string() }
}
