//! HTTP/1.1: which path is answered by whom.

pub(crate) mod answer;
mod assets;
mod login;
mod metrics;
pub(crate) mod upgrade;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use exoclaw_protocol::{
    ChatInjectParams, ChatInjectResult, ChatSendParams, ChatSendResult, DeviceId, RpcError, limits,
};
use exoclaw_runtime::{Runtime, Subscription, metrics::Credential};
use exoclaw_store::{
    Devices, Paired, Tokens,
    audit::{Decision, Entry, What},
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::broadcast;

pub use self::assets::{Asset, Assets, NoAssets};
use crate::{
    LogTail, LoginLinks, ShownConfig,
    admission::Place,
    api,
    auth::{Auth, Pass, Shown, Who},
    limiter::TooMany,
    openclaw::{Health, OpenClaw, Presence},
    rates::Asking,
    site::Site,
    socket::{JsonRpc, devices::DeviceEvent},
    webhook,
    wire::{Peer, Wire},
};

/// Headers of one request.
const HEADERS: usize = 64;

/// What is answered: all of it, or as it comes.
pub(crate) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

pub(crate) type Answer = Response<Body>;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) links: LoginLinks,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) devices: Arc<Devices>,
    /// Tells operators of devices.
    pub(crate) device_events: broadcast::Sender<Arc<DeviceEvent>>,
    pub(crate) site: Site,
    pub(crate) runtime: Runtime,
    pub(crate) assets: Arc<dyn Assets>,
    /// Clients of OpenClaw's that are connected.
    pub(crate) presence: Arc<Presence>,
    /// What they are told of the gateway.
    pub(crate) health: Health,
    pub(crate) asking: Asking,
    pub(crate) shown: ShownConfig,
    pub(crate) log: Arc<LogTail>,
}

impl Door {
    pub(crate) fn auth(&self) -> &Auth {
        &self.links.auth
    }

    /// Checks the credential that the head of a request shows, and counts what became of it.
    pub(crate) fn head(&self, headers: &HeaderMap, own_page: bool, peer: Peer) -> Shown {
        let shown = self.auth().head(headers, own_page, peer);
        let decision = match &shown {
            Shown::Known(_) => Credential::Allowed,
            Shown::Nothing => return shown,
            Shown::Forgotten | Shown::Wrong => Credential::Refused,
            Shown::Unseen(_) => Credential::Limited,
        };
        self.runtime.metrics().credential(decision);
        shown
    }

    /// Checks a token that was shown anywhere else, and counts what became of it.
    pub(crate) fn token(&self, token: &str, peer: Peer) -> Result<Option<Pass>, TooMany> {
        self.counted(self.auth().token(token, peer.source()))
    }

    /// Checks a device's own token, and counts what became of it.
    pub(crate) fn device_token(
        &self,
        id: &DeviceId,
        token: &str,
        peer: Peer,
    ) -> Result<Option<(Pass, Paired)>, TooMany> {
        self.counted(self.auth().device(&self.devices, id, token, peer.source()))
    }

    fn counted<T>(&self, checked: Result<Option<T>, TooMany>) -> Result<Option<T>, TooMany> {
        self.runtime.metrics().credential(match &checked {
            Ok(Some(_)) => Credential::Allowed,
            Ok(None) => Credential::Refused,
            Err(_) => Credential::Limited,
        });
        checked
    }
}

impl Door {
    /// Sends a message for whoever showed that credential.
    ///
    /// # Errors
    /// `rate_limited` when its session was sent too much of late; as `chat.send`.
    pub(crate) async fn send(
        &self,
        by: &Who,
        message: ChatSendParams,
    ) -> Result<(ChatSendResult, Subscription), RpcError> {
        self.asking.of(&self.runtime.session_of(&message)?)?;
        self.runtime.send_by(by.name(), message).await
    }

    /// Adds a note to a session.
    ///
    /// # Errors
    /// `rate_limited` when its session was sent too much of late; as `chat.inject`.
    pub(crate) async fn inject(&self, note: ChatInjectParams) -> Result<ChatInjectResult, RpcError> {
        self.asking.of(&self.runtime.session_key(&note.session)?)?;
        self.runtime.inject(note).await
    }
}

/// By which listener a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The one for everything.
    Main,
    /// The one for metrics, which nothing else is to be had from.
    Metrics {
        /// Other machines can't reach it, and no credential is asked for.
        is_local: bool,
    },
}

/// Serves one connection until it ends, is upgraded, is needed for somebody else, or the daemon stops.
pub(crate) async fn serve(door: Arc<Door>, stream: Wire, peer: Peer, place: Arc<Place>, entrance: Entrance) {
    let stop = door.runtime.tasks().token();
    let own_place = Arc::clone(&place);
    let service = service_fn(move |request| {
        let (door, place) = (Arc::clone(&door), Arc::clone(&place));
        async move { Ok::<_, Infallible>(answer::secure(route(&door, request, peer, place, entrance).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_DEADLINE)
        .max_buf_size(limits::HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log_end(peer, ended),
        () = own_place.evicted() => return tracing::debug!(%peer, "connection given up: its place was needed"),
        () = stop.cancelled() => {}
    }
    // The request under way is still answered.
    connection.as_mut().graceful_shutdown();
    log_end(peer, connection.await);
}

fn log_end(peer: Peer, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn route(
    door: &Arc<Door>,
    mut request: Request<Incoming>,
    peer: Peer,
    place: Arc<Place>,
    entrance: Entrance,
) -> Answer {
    // A target with a host of its own (RFC 9112, section 3.2.2) is for proxies, and would go past the check of `Host`.
    if request.uri().authority().is_some() {
        return answer::refusal(StatusCode::BAD_REQUEST, "this is no proxy");
    }
    let peer = door.site.sender(request.headers(), peer);
    let own_page = match door.site.check(request.headers()) {
        Ok(own_page) => own_page,
        Err(foreign) => {
            let entry = Entry::new(What::Authentication, "request", Decision::Refused).from(peer.audited());
            door.runtime.audit().note(entry.reason(foreign));
            return answer::refusal(StatusCode::FORBIDDEN, &foreign.to_string());
        }
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if entrance == Entrance::Main
        && let Some(channel) = webhook::channel(request.uri().path())
    {
        let channel = channel.to_owned();
        return webhook::answer(door, request, &channel, peer).await;
    }
    match request.uri().path() {
        "/metrics" if reads && entrance == (Entrance::Metrics { is_local: true }) => metrics::answer(door),
        "/metrics" if reads => metrics::answer_reader(door, request.headers(), own_page, peer),
        _ if entrance != Entrance::Main => answer::refusal(StatusCode::NOT_FOUND, "only /metrics is to be had here"),
        "/ws" => upgrade::answer(door, &mut request, peer, own_page, place, || JsonRpc),
        "/" if upgrade::is_wanted(&request) => {
            let clock = Arc::clone(door.runtime.clock());
            upgrade::answer(door, &mut request, peer, own_page, place, || OpenClaw::new(clock))
        }
        path if api::has(path) => api::answer(door, request, own_page, peer, &place).await,
        "/livez" if reads => answer::text(StatusCode::OK, "ok\n"),
        "/readyz" if reads => match door.runtime.ready() {
            Ok(()) => answer::text(StatusCode::OK, "ok\n"),
            Err(reason) => answer::text(StatusCode::SERVICE_UNAVAILABLE, &format!("{}\n", reason.message)),
        },
        "/login" => login::answer(door, request, peer).await,
        _ if reads => assets::answer(&*door.assets, &request),
        _ => answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here"),
    }
}
